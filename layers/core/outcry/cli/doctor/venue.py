"""What Hyperliquid can say: whether it answers, how its clock stands, and whether accounts and signers are there what the
database takes them for.

Promises: the venue's word is what counts; the database's is compared with it (F-18). Reads only, with the addresses of
accounts and signers and nothing else; about 100 of the venue's 1200 request weight a minute for each account.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from outcry.agents.model import Account, Deployment
from outcry.cli.doctor.facts import Facts, SignerFacts
from outcry.cli.doctor.finding import Finding, Findings, Installation, bad, ok, skipped, warn
from outcry.monitoring.budget import ACCOUNTS_PER_ADDRESS, QUIET_ACCOUNTS_PER_ADDRESS
from outcry.runtime.errors import ConfigurationError, InfrastructureError, UnknownAnswer
from outcry.signals.size import SizeInputs, TooSmall, size_entry
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from outcry.venues.port import AccountMode

MOST_SKEW = timedelta(seconds=5)
SOON = timedelta(days=7)
SAME_DAY = timedelta(days=1)  # an operator writes the day on which an approval ends
_NOBODY = "0x" + "0" * 40
_LIQUID = "BTC"
_Look = Callable[[Installation, Facts, HyperliquidVenue, Account], Findings]


def venue(here: Installation) -> Findings:
    """Whether the venue of this network answers, and how its clock stands."""
    url = here.setting("HYPERLIQUID_URL")
    if url is None:
        yield skipped("hyperliquid", "OUTCRY_HYPERLIQUID_URL is not set: give --stack NAME, or set it")
        return
    try:
        place = _opened(here, url)
    except ConfigurationError as error:
        yield bad("hyperliquid", str(error), error.fix)
        return
    before = here.clock.now()
    at = place.account(_NOBODY).taken_at
    skew = at - before - (here.clock.now() - before) / 2
    yield ok("hyperliquid", f"{here.network} answers at {url}, with {len(place.marks().prices)} marks")
    if abs(skew) > MOST_SKEW:
        fix = "set this machine's clock by NTP; Lambda's own is right, so compare before you worry"
        yield warn("venue clock", f"it differs from this machine's by {skew.total_seconds():+.1f} s", fix)
    else:
        yield ok("venue clock", f"within {MOST_SKEW.total_seconds():.0f} s of this machine's")


def accounts(here: Installation) -> Findings:
    """Each live account: that the venue knows it as an owner, sizes it as we do, and has enough to trade with; and how many there are."""
    yield from _egress(here)
    yield from _per_account(here, "accounts", _account)


def signers(here: Installation) -> Findings:
    """Each live account's signers: what the database says beside what the venue says (F-18)."""
    yield from _per_account(here, "signers", _signers)


def _per_account(here: Installation, subject: str, look: _Look) -> Findings:
    if here.facts is None:
        yield skipped(subject, "the database did not say which accounts there are")
        return
    url = here.setting("HYPERLIQUID_URL")
    live = [each for each in here.facts.accounts if each.venue == "hyperliquid"]
    if not live:
        yield skipped(subject, "there is no live account on the desk")
        return
    if url is None:
        yield skipped(subject, "OUTCRY_HYPERLIQUID_URL is not set: give --stack NAME, or set it")
        return
    place = _opened(here, url)
    for account in live:
        if account.network != here.network:
            says = f"it is on {account.network}, this installation on {here.network}: it is never traded here"
            yield warn(account.account_id, says, "take it out of this installation's desk file")
            continue
        try:
            yield from look(here, here.facts, place, account)
        except (InfrastructureError, UnknownAnswer) as error:
            yield bad(account.account_id, str(error), "try again; the venue gave no answer that can be read")


def _egress(here: Installation) -> Findings:
    """Whether one address can watch all live accounts of the desk within the venue's limit."""
    live = [each for each in here.facts.accounts if each.venue == "hyperliquid"] if here.facts else []
    if len(live) > ACCOUNTS_PER_ADDRESS:
        says = (
            f"{len(live)} live accounts: behind one address {ACCOUNTS_PER_ADDRESS} can be watched when all hold something,"
            f" {QUIET_ACCOUNTS_PER_ADDRESS} while nothing is executed"
        )
        yield warn(
            "request weight", says, "spread the accounts over installations with addresses of their own"
        )


def _opened(here: Installation, url: str) -> HyperliquidVenue:
    return HyperliquidVenue(here.network, url, here.clock, connect_timeout_s=3, read_timeout_s=5)


# ─── accounts ───────────────────────────────────────────────────────────────────────────────────────────────


def _account(here: Installation, facts: Facts, place: HyperliquidVenue, account: Account) -> Findings:
    name, role = account.account_id, place.role(account.address)
    if role.name == "agent":
        fix = f"write the owner's address, {role.owner}, into the desk file under a new account id"
        yield bad(name, "its address is an API wallet at the venue, which holds nothing", fix)
        return
    if role.name == "missing":
        yield bad(name, "the venue has never seen its address", f"deposit to {account.address} first")
        return
    if role.name == "vault":
        yield warn(name, "its address is a vault at the venue", "trade from a plain account")
    if place.account_mode(account.address) is not AccountMode.STANDARD:
        fix = "switch unified and portfolio margin off at the venue: entries are refused until then"
        yield bad(name, "its margin mode is not one that we can size in", fix)
    yield from _deposit(here, facts, place, account)


def _deposit(here: Installation, facts: Facts, place: HyperliquidVenue, account: Account) -> Findings:
    """Whether each deployment could make its smallest trade in the most liquid market now."""
    name, snapshot = account.account_id, place.account(account.address)
    mark, market = place.marks().prices.get(_LIQUID), place.markets().get(_LIQUID)
    deployments = [each for each in facts.deployments if each.account.account_id == name]
    worth = f"worth ${snapshot.equity_usd:,.2f}, ${snapshot.free_usd:,.2f} free"
    if not deployments:
        yield ok(name, f"{worth}; no deployment trades on it")
        return
    if mark is None or market is None:
        yield skipped(name, f"{worth}; {_LIQUID} has no mark to size a trade with")
        return
    for each in deployments:
        sizing, exits = each.agent.strategy.sizing, each.agent.strategy.exits
        sized = size_entry(
            SizeInputs(
                equity_usd=snapshot.equity_usd,
                free_usd=snapshot.free_usd,
                mark=mark,
                score=Decimal(1),
                risk_frac=sizing.risk_frac,
                stop_frac=max(exits.stop_frac, sizing.min_stop_frac),
                exit_stop_frac=exits.stop_frac,
                liquidation_buffer_frac=exits.liquidation_buffer_frac,
                fee_frac=place.taker_fee_frac,
                slippage_frac=sizing.max_slippage_frac,
                cap_usd=min(each.limits.per_trade_usd, account.limits.per_trade_usd),
                max_leverage=sizing.max_leverage,
                market_max_leverage=market.max_leverage,
                size_decimals=market.size_decimals,
                minimum_usd=place.minimum_notional_usd,
            )
        )
        yield _enough(each, worth, sized.detail if isinstance(sized, TooSmall) else None)


def _enough(deployment: Deployment, worth: str, too_small: str | None) -> Finding:
    subject = f"{deployment.account.account_id}, {deployment.deployment_id}"
    if too_small is None:
        return ok(subject, f"{worth}: enough for a trade in {_LIQUID}")
    return warn(subject, f"{worth}: {too_small}", "deposit, or change the agent's sizing or the limits")


# ─── signers ────────────────────────────────────────────────────────────────────────────────────────────────


def _signers(here: Installation, facts: Facts, place: HyperliquidVenue, account: Account) -> Findings:
    approved = place.approved_signers(account.address)
    known = [each for each in facts.signers if each.account_id == account.account_id]
    if not any(each.status == "ACTIVE" for each in known):
        fix = f"outcry signer create {account.account_id}, approve its address, outcry signer activate"
        yield bad(account.account_id, "no signer of it is active: nothing can be traded, exits included", fix)
    for signer in known:
        yield from _signer(here, place, account, signer, approved)


def _signer(
    here: Installation,
    place: HyperliquidVenue,
    account: Account,
    signer: SignerFacts,
    approved: Mapping[str, datetime],
) -> Findings:
    until = approved.get(signer.address)
    if signer.status == "REVOKED":
        if until is not None:
            says = f"it is revoked here and still approved at the venue until {_day(until)}"
            yield warn(signer.signer_id, says, f"the owner removes the approval of {signer.address}")
        return
    if signer.status == "CREATED":
        says = "it was made and does not sign yet"
        approve = "" if until is not None else f"approve {signer.address} at the venue, then "
        yield warn(signer.signer_id, says, f"{approve}outcry signer activate {signer.signer_id}")
        return
    if until is None:
        yield _unlisted(place, account, signer)
        return
    yield from _expiry(here.clock.now(), signer, until)


def _unlisted(place: HyperliquidVenue, account: Account, signer: SignerFacts) -> Finding:
    """A signer that the owner's list does not name: not approved at all, or in the slot without a name."""
    role = place.role(signer.address)
    if role.name == "agent" and role.owner == account.address:
        says = "it is approved without a name: opening the venue's own page replaces it"
        return warn(signer.signer_id, says, f"approve {signer.address} again, under a name such as outcry")
    says = f"the database says {signer.status}, the venue does not know {signer.address} as its signer"
    fix = f"the owner of {account.address} approves it as an API wallet, or make another signer"
    return bad(signer.signer_id, says, fix)


def _expiry(now: datetime, signer: SignerFacts, until: datetime) -> Findings:
    if until <= now:
        yield bad(signer.signer_id, f"its approval ended on {_day(until)}", "approve it again at the venue")
        return
    noted = signer.valid_until
    if noted is None or abs(noted - until) > SAME_DAY:
        says = f"the venue approves it until {_day(until)}, the database says {_day(noted) if noted else 'nothing'}"
        yield warn(signer.signer_id, says, "the venue's day counts: note it, and renew the approval in time")
    elif until - now > SOON:
        yield ok(signer.signer_id, f"{signer.status}, approved at the venue until {_day(until)}")
    if until - now <= SOON:
        fix = "make a signer in the other slot, approve and activate it before that day"
        yield warn(signer.signer_id, f"its approval ends on {_day(until)}", fix)


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"
