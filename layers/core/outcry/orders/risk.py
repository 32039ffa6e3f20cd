"""Whether an entry may be made now, and how much room the caps leave. Pure.

Promises:
- Every refusal has a reason; the checks run in a fixed order, so that the same facts always give the same one.
- In-flight and UNKNOWN orders count in full: the usages that come in are reservations, not positions.
- A mark or an account snapshot that is older than the last thing that changed the account is not used to size a trade.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from outcry.agents.model import Limits
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side

MARK_MAX_AGE = timedelta(seconds=10)
SNAPSHOT_MAX_AGE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, and the figures behind it."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about an entry at the moment of approval.

    `standing` is what the controls and locks say, `lacks_canary` what a proof by canary lacks, in words, `signer` what speaks against
    the account's signer; `changed_at` is the account's last reservation or fill; sizes are signed.
    """

    now: datetime
    not_after: datetime
    side: Side
    reference_price: Decimal
    max_chase_frac: Decimal
    mark: Decimal | None
    mark_at: datetime
    snapshot_at: datetime
    changed_at: datetime | None
    standing: Refusal | None
    deployment_state: str
    lacks_canary: str | None
    mode_is_standard: bool
    signer: Refusal | None
    owner_side: Side | None
    place_has_open_order: bool
    venue_size: Decimal
    has_foreign_order: bool


def refuse(facts: Facts) -> Refusal | None:
    """The first reason that forbids the entry, or None."""
    if facts.standing is not None:
        return facts.standing
    if facts.deployment_state != "ACTIVE":
        return Refusal(Reason.DEPLOYMENT_NOT_ACTIVE, f"the deployment is {facts.deployment_state}")
    if facts.lacks_canary is not None:
        return Refusal(Reason.CANARY_MISSING, facts.lacks_canary)
    if facts.now > facts.not_after:
        return Refusal(Reason.ENTRY_TOO_LATE, f"the entry was good until {facts.not_after:%H:%M:%S}")
    if facts.signer is not None:
        return facts.signer
    if not facts.mode_is_standard:
        return Refusal(Reason.ACCOUNT_MODE_UNKNOWN, "the account is in a unified or portfolio margin mode")
    # a stale reading is read again, so it is judged before anything that would skip the entry for good
    return _snapshot(facts) or _place(facts) or _price(facts)


def _place(facts: Facts) -> Refusal | None:
    if facts.owner_side is not None:
        if facts.owner_side is not facts.side:
            return Refusal(
                Reason.OPPOSITE_POSITION, f"a {facts.owner_side} position of ours is in this place"
            )
        return Refusal(Reason.PLACE_TAKEN, f"a {facts.owner_side} position of ours is in this place")
    if facts.place_has_open_order:
        return Refusal(Reason.PLACE_TAKEN, "an order of ours is at work in this place")
    if facts.venue_size != 0:
        return Refusal(Reason.FOREIGN_POSITION, f"the venue shows {facts.venue_size} that is not ours")
    if facts.has_foreign_order:
        return Refusal(Reason.FOREIGN_ORDER, "an order that is not ours rests in this market")
    return None


def _price(facts: Facts) -> Refusal | None:
    if facts.mark is None or facts.now - facts.mark_at > MARK_MAX_AGE:
        return Refusal(Reason.MARK_STALE, "the venue gave no fresh mark for this market")
    chased = (facts.mark - facts.reference_price) * facts.side.sign / facts.reference_price
    if chased > facts.max_chase_frac:
        detail = f"the mark {facts.mark} is {chased:.2%} beyond {facts.reference_price}, more than {facts.max_chase_frac:.2%}"
        return Refusal(Reason.MARK_RAN_AWAY, detail)
    return None


def _snapshot(facts: Facts) -> Refusal | None:
    if facts.now - facts.snapshot_at > SNAPSHOT_MAX_AGE:
        return Refusal(Reason.SNAPSHOT_STALE, f"the account was read at {facts.snapshot_at:%H:%M:%S}")
    if facts.changed_at is not None and facts.snapshot_at < facts.changed_at:
        return Refusal(Reason.SNAPSHOT_STALE, "the account changed after it was read")
    return None


def entry_bound(mark: Decimal, side: Side, slippage_frac: Decimal) -> Decimal:
    """The worst price at which an entry is taken."""
    return mark * (1 + slippage_frac * side.sign)


# ─── caps ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Usage:
    """Notional in US dollars that is reserved now, seen from one set of limits; `day_usd` is what was opened today."""

    market_usd: Decimal
    author_usd: Decimal
    agent_usd: Decimal
    account_usd: Decimal
    day_usd: Decimal
    open_positions: int


@dataclass(frozen=True, slots=True)
class Room:
    """How much notional the tightest cap leaves, and which cap that is."""

    notional_usd: Decimal
    binding: Reason


def room(pairs: Sequence[tuple[Limits, Usage]]) -> Room:
    """The tightest cap over several sets of limits (the deployment's and the account's), each with its own usage."""
    left: list[Room] = []
    for limits, usage in pairs:
        left.append(Room(limits.per_trade_usd, Reason.CAP_PER_TRADE))
        left.append(Room(limits.per_account_usd - usage.account_usd, Reason.CAP_PER_ACCOUNT))
        for cap, used, reason in (
            (limits.per_market_usd, usage.market_usd, Reason.CAP_PER_MARKET),
            (limits.per_author_usd, usage.author_usd, Reason.CAP_PER_AUTHOR),
            (limits.per_agent_usd, usage.agent_usd, Reason.CAP_PER_AGENT),
            (limits.per_day_usd, usage.day_usd, Reason.CAP_PER_DAY),
        ):
            if cap is not None:
                left.append(Room(cap - used, reason))
        if limits.max_open_positions is not None and usage.open_positions >= limits.max_open_positions:
            left.append(Room(Decimal(0), Reason.CAP_OPEN_POSITIONS))
    tightest = min(left, key=lambda one: one.notional_usd)
    return Room(max(tightest.notional_usd, Decimal(0)), tightest.binding)


# ─── exits ──────────────────────────────────────────────────────────────────────────────────────────────────────────

EXIT_BOUNDS = (Decimal("0.005"), Decimal("0.01"), Decimal("0.03"), Decimal("0.08"))


def exit_bound(mark: Decimal, side: Side, attempt: int) -> Decimal:
    """The worst price for the n-th attempt to close: it widens in steps to a floor and stays there."""
    step = EXIT_BOUNDS[min(attempt, len(EXIT_BOUNDS) - 1)]
    return mark * (1 - step * side.sign)


def is_at_exit_floor(attempt: int) -> bool:
    """Whether this attempt already uses the widest bound: from here on a person is paged."""
    return attempt >= len(EXIT_BOUNDS) - 1
