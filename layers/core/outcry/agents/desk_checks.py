"""What the parts of a desk file must be to one another: references, duplicates, and exits that can work.

Promises: looks only at parts that read well on their own, reports everything it finds, changes nothing. A
part that was refused for another fault still counts as known by its id, so one mistake is never reported
twice.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal

from outcry.agents.desk_file import (
    AccountFile,
    AgentFile,
    AuthorFile,
    DeploymentFile,
    LimitsFile,
    StrategyFile,
)
from outcry.agents.desk_problem import Path

Report = Callable[[Path, str | None, str], None]

# The first ten addresses of the public test phrase "test test … junk" (BIP-39, m/44'/60'/0'/0/n), which every local chain hands
# out and the sample desk has: anyone can sign for them.
_PUBLIC_TEST_ADDRESSES = frozenset(
    {
        "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
        "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
        "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc",
        "0x90f79bf6eb2c4f870365e785982e1f101e93b906",
        "0x15d34aaf54267db7d7c367839aaf71a00a2c6a65",
        "0x9965507d1a55bcc2695c58ba16fb37d819b0a4dc",
        "0x976ea74026e726554db657fa54763abd0c3a0aa9",
        "0x14dc79964da2c08b23698b3d3cc7ca32193d9955",
        "0x23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f",
        "0xa0ee7a142d267c1f36714e4a8f75612f20a79720",
    }
)


def check_authors(authors: Mapping[int, AuthorFile], report: Report) -> None:
    """No handle and no user id stands twice."""
    _unique("authors", "username", ((i, author.username.lower()) for i, author in authors.items()), report)
    _unique("authors", "author_id", ((i, str(author.author_id)) for i, author in authors.items()), report)


def check_agents(agents: Mapping[int, AgentFile], usernames: set[str], report: Report) -> None:
    """Each agent follows authors of the desk, one at least with weight, and its exits work together."""
    _unique("agents", "id", ((i, agent.id) for i, agent in agents.items()), report)
    for index, agent in agents.items():
        path: Path = ("agents", index)
        heard: set[str] = set()
        for place, follow in enumerate(agent.follows):
            where: Path = (*path, "follows", place, "author")
            if follow.author.lower() not in usernames:
                report(where, follow.author, "add this author under `authors`, or correct the handle")
            if follow.author.lower() in heard:
                report(where, follow.author, "this author is followed twice: keep one line")
            heard.add(follow.author.lower())
        if all(follow.weight == 0 for follow in agent.follows):
            report((*path, "follows"), "weights that are all 0", "give at least one author a weight above 0")
        _check_strategy((*path, "strategy"), agent.strategy, report)


def _check_strategy(path: Path, strategy: StrategyFile, report: Report) -> None:
    if strategy.evidence_window < strategy.max_call_age:
        report(
            (*path, "evidence_window"),
            "less than max_call_age",
            "make it at least max_call_age: a call is its own evidence",
        )
    for name in ("sides", "venues"):
        entries: Sequence[str] = getattr(strategy, name)
        if len(set(entries)) < len(entries):
            report((*path, name), ", ".join(entries), "name each one once")
    exits = strategy.exits
    leverage = strategy.sizing.max_leverage
    room = liquidation_distance(leverage)
    if exits.stop_frac + exits.liquidation_buffer_frac >= room:
        report(
            (*path, "exits", "stop_frac"),
            str(exits.stop_frac),
            f"at {leverage}x a position may be liquidated {_percent(room)} from its entry: with the "
            f"liquidation buffer of {_percent(exits.liquidation_buffer_frac)} the stop must be nearer than that; "
            "lower it or max_leverage",
        )
    trailing = exits.trailing
    if trailing is None:
        return
    if trailing.distance_frac > trailing.activation_frac:
        report(
            (*path, "exits", "trailing", "distance_frac"),
            str(trailing.distance_frac),
            "make it at most activation_frac: the trail would begin on the losing side of the entry",
        )
    if trailing.step_frac > trailing.distance_frac:
        fix = "make it at most distance_frac: the venue's stop would lag more than a whole trail"
        report((*path, "exits", "trailing", "step_frac"), str(trailing.step_frac), fix)


def liquidation_distance(leverage: int) -> Decimal:
    """How far from its entry a position at `leverage` is liquidated at the nearest, as a fraction.

    The worst market for it is one that allows no more: its maintenance margin is half its initial margin
    (Hyperliquid docs, margining), m = 1/(2L), and a SHORT is liquidated at (1/L - m)/(1 + m) = 1/(2L + 1).
    """
    return 1 / Decimal(2 * leverage + 1)


def check_accounts(accounts: Mapping[int, AccountFile], report: Report) -> None:
    """Each account is wholly paper or wholly live, and no two are the same place."""
    _unique("accounts", "id", ((i, account.id) for i, account in accounts.items()), report)
    places: dict[tuple[str, str, str], str] = {}
    for index, account in accounts.items():
        path: Path = ("accounts", index)
        is_paper = account.venue == "paper"
        if is_paper != (account.network == "paper"):
            fix = (
                "write network: paper"
                if is_paper
                else "write mainnet, testnet or local: only venue: paper trades on paper"
            )
            report((*path, "network"), account.network, fix)
        if is_paper and account.paper_balance_usd is None:
            report((*path, "paper_balance_usd"), None, "say how many virtual dollars the account begins with")
        if not is_paper and account.paper_balance_usd is not None:
            fix = "remove it: a live account has the balance that its venue shows"
            report((*path, "paper_balance_usd"), str(account.paper_balance_usd), fix)
        if not is_paper and account.address is None:
            report((*path, "address"), None, "write the account's master address at the venue")
        if account.network in {"mainnet", "testnet"} and account.address in _PUBLIC_TEST_ADDRESSES:
            fix = "write your own: this one belongs to a public test phrase, and anyone can sign for it"
            report((*path, "address"), account.address, fix)
        _check_limits((*path, "limits"), account.limits, report)
        if account.address is not None:
            place = (account.venue, account.network, account.address)
            if place in places:
                fix = (
                    f"account {places[place]} is the same place: give both agents deployments on one account"
                )
                report((*path, "address"), account.address, fix)
            places.setdefault(place, account.id)


def check_deployments(
    deployments: Mapping[int, DeploymentFile], agents: set[str], accounts: set[str], report: Report
) -> None:
    """Each deployment joins an agent and an account of the desk, each pair once."""
    _unique("deployments", "id", ((i, deployment.id) for i, deployment in deployments.items()), report)
    pairs: dict[tuple[str, str], str] = {}
    for index, deployment in deployments.items():
        path: Path = ("deployments", index)
        if deployment.agent not in agents:
            report((*path, "agent"), deployment.agent, "add this agent under `agents`, or correct its id")
        if deployment.account not in accounts:
            report(
                (*path, "account"), deployment.account, "add this account under `accounts`, or correct its id"
            )
        pair = (deployment.agent, deployment.account)
        if pair in pairs:
            report(
                (*path, "agent"),
                deployment.agent,
                f"{pairs[pair]} has this agent on this account already: remove one",
            )
        pairs.setdefault(pair, deployment.id)
        if deployment.limits is not None:
            _check_limits((*path, "limits"), deployment.limits, report)


def _check_limits(path: Path, limits: LimitsFile, report: Report) -> None:
    if limits.per_trade_usd > limits.per_account_usd:
        report(
            (*path, "per_trade_usd"),
            str(limits.per_trade_usd),
            f"make it at most per_account_usd, {limits.per_account_usd}",
        )


def _unique(section: str, name: str, values: Iterable[tuple[int, str]], report: Report) -> None:
    first: dict[str, int] = {}
    for index, value in values:
        if value in first:
            report(
                (section, index, name), value, f"{section}[{first[value]}] has it already: give each its own"
            )
        first.setdefault(value, index)


def _percent(fraction: Decimal) -> str:
    return f"{(fraction * 100).quantize(Decimal('0.01'), ROUND_DOWN)}%"
