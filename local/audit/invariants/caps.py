"""No cap is exceeded: per trade, market, author, agent, account, day, and open positions. Pure.

Worked out from the desk's limits, the orders and the venue's fills, not from what the ledger says is left: an entry counts
in full at its bound from its reservation (or its first request, where nothing was reserved) until it is final; from then
on with what was executed, until its place is flat at the venue. A short that sold above its bound counts at its bound. A day
counts what was reserved in it (UTC), flat again or not.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from local.audit.holdings import Holding
from local.audit.invariants.words import when
from local.audit.model import ZERO, LedgerOrder, LedgerReservation, Place, VenueEvent
from local.audit.verdict import Facts, Invariant, Judgement

_DAY_MS = 86_400_000
_AT_WORK = frozenset({"SENT", "ACKED", "REFUSED", "UNKNOWN"})


Key = tuple[object, ...]
Step = tuple[int, Decimal]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry's claim on the caps: `full_usd` from `from_ms`, `filled_usd` from `final_ms`, nothing from `over_ms`."""

    order: LedgerOrder
    account_id: str
    agent_id: str
    author_id: int | None
    full_usd: Decimal
    filled_usd: Decimal
    from_ms: int
    final_ms: int | None
    over_ms: int | None

    def steps(self) -> Iterator[Step]:
        """Its changes of notional over time."""
        yield self.from_ms, self.full_usd
        if self.final_ms is not None:
            yield self.final_ms, self.filled_usd - self.full_usd
            if self.over_ms is not None:
                yield self.over_ms, -self.filled_usd

    def steps_of_its_day(self) -> Iterator[Step]:
        yield self.from_ms, self.full_usd
        if self.final_ms is not None:
            yield self.final_ms, self.filled_usd - self.full_usd

    def steps_of_places(self) -> Iterator[Step]:
        yield self.from_ms, Decimal(1)
        end_ms = self.final_ms if not self.filled_usd else self.over_ms
        if end_ms is not None:
            yield end_ms, Decimal(-1)


def caps(facts: Facts) -> Judgement:
    """Judged on every entry that reserved something or of which a request was sent."""
    entries, unreserved = _entries(facts)
    violations = [f"entry {order_id} was sent, and nothing is reserved for it" for order_id in unreserved]
    violations += list(_over_one_trade(facts, entries))
    steps: dict[Key, list[Step]] = defaultdict(list)
    bounds: dict[Key, Decimal] = {}
    begun: dict[Key, set[int]] = defaultdict(set)
    of_agent: dict[str, list[Step]] = defaultdict(list)
    for entry in entries:
        of_agent[entry.agent_id] += entry.steps()
    for entry in entries:
        for key, cap, changes in _claims(facts, entry):
            bounds[key] = cap
            steps[key] += changes
            begun[key].add(entry.from_ms)
        for key, cap in _caps_of_agent(facts, entry):
            bounds[key] = cap
            begun[key].add(entry.from_ms)
            steps[key] = of_agent[entry.agent_id]
    for key, cap in bounds.items():
        violations += _over(key, cap, steps[key], begun[key])
    return Judgement(Invariant.CAPS, len(entries), tuple(violations))


def _over(key: Key, cap: Decimal, steps: Iterable[Step], begun: set[int]) -> Iterator[str]:
    """The worst of the moments in which an entry under the cap began; what ends in a moment ends before what begins in it."""
    used, worst, worst_ms = ZERO, cap, 0
    for at_ms, change in sorted(steps):
        used += change
        if used > worst and at_ms in begun:
            worst, worst_ms = used, at_ms
    if worst > cap:
        name = " ".join(str(part) for part in key)
        yield f"{name}: {worst} at {when(worst_ms)}, the cap is {cap}"


def _claims(facts: Facts, entry: _Entry) -> Iterator[tuple[Key, Decimal, list[Step]]]:
    """Every cap that the entry counts against, under the limits of its deployment and of its account."""
    desk, order = facts.ledger.desk, entry.order
    day = entry.from_ms // _DAY_MS
    for owner, limits in (
        (f"deployment {order.deployment_id}", desk.deployments[order.deployment_id][2]),
        (f"account {entry.account_id}", desk.accounts[entry.account_id][1]),
    ):
        scopes: Mapping[str, Key | None] = {
            "per_account_usd": (owner, "per_account_usd"),
            "per_market_usd": (owner, "per_market_usd", order.place[1]),
            "per_author_usd": None if entry.author_id is None else (owner, "per_author_usd", entry.author_id),
        }
        for name, key in scopes.items():
            if key is not None and name in limits.usd:
                yield key, limits.usd[name], list(entry.steps())
        if "per_day_usd" in limits.usd:
            yield (owner, "per_day_usd", day), limits.usd["per_day_usd"], list(entry.steps_of_its_day())
        if limits.open_positions is not None:
            yield (owner, "max_open_positions"), Decimal(limits.open_positions), list(entry.steps_of_places())


def _caps_of_agent(facts: Facts, entry: _Entry) -> Iterator[tuple[Key, Decimal]]:
    """An agent's cap counts what the agent does on every account, and binds the entries made under it."""
    desk = facts.ledger.desk
    for owner, limits in (
        (f"deployment {entry.order.deployment_id}", desk.deployments[entry.order.deployment_id][2]),
        (f"account {entry.account_id}", desk.accounts[entry.account_id][1]),
    ):
        if "per_agent_usd" in limits.usd:
            yield (owner, "per_agent_usd", entry.agent_id), limits.usd["per_agent_usd"]


def _over_one_trade(facts: Facts, entries: Iterable[_Entry]) -> Iterator[str]:
    desk = facts.ledger.desk
    for entry in entries:
        claimed = max(entry.full_usd, entry.filled_usd)
        for owner, limits in (
            (f"deployment {entry.order.deployment_id}", desk.deployments[entry.order.deployment_id][2]),
            (f"account {entry.account_id}", desk.accounts[entry.account_id][1]),
        ):
            cap = limits.usd.get("per_trade_usd")
            if cap is not None and claimed > cap:
                yield f"{owner} per_trade_usd: entry {entry.order.order_id} is worth {claimed}, the cap is {cap}"


def _entries(facts: Facts) -> tuple[list[_Entry], list[str]]:
    """The entries with their claims, and those of which a request was sent without a reservation."""
    reserved = {reservation.order_id: reservation for reservation in facts.ledger.reservations}
    first_ms: dict[str, int] = {}
    for request in facts.ledger.requests:
        if request.is_placement and request.status in _AT_WORK:
            at_ms = request.prepared_ms
            first_ms[request.order_id] = min(at_ms, first_ms.get(request.order_id, at_ms))
    fills = _fills_by_order(facts)
    flat = _flat_times(facts.events, facts.ledger.addresses)
    found: list[_Entry] = []
    unreserved: list[str] = []
    for order in facts.ledger.orders:
        reservation = reserved.get(order.order_id)
        if order.kind != "enter" or order.size is None or order.limit_price is None:
            continue
        if reservation is None and order.order_id not in first_ms:
            continue
        if reservation is None:
            unreserved.append(order.order_id)
        from_ms = first_ms[order.order_id] if reservation is None else reservation.reserved_ms
        found.append(
            _entry(facts, order, reservation, from_ms, fills[order.order_id], flat.get(order.place, []))
        )
    return found, unreserved


def _entry(
    facts: Facts,
    order: LedgerOrder,
    reservation: LedgerReservation | None,
    from_ms: int,
    fills: list[VenueEvent],
    flat: list[int],
) -> _Entry:
    assert order.size is not None
    assert order.limit_price is not None
    agent_id, account_id, _ = facts.ledger.desk.deployments[order.deployment_id]
    filled_usd = sum(
        (
            fill.number("sz") * (fill.number("px") if fill.fields["side"] == "B" else order.limit_price)
            for fill in fills
        ),
        ZERO,
    )
    last_ms = max((fill.time_ms for fill in fills), default=from_ms)
    final_ms = None if order.finished_ms is None else max(order.finished_ms, last_ms)
    over_ms = next((at_ms for at_ms in flat if at_ms >= last_ms), None) if fills else final_ms
    known = [at_ms for at_ms in (final_ms, over_ms) if at_ms is not None]
    return _Entry(
        order,
        account_id,
        agent_id,
        None if reservation is None else reservation.author_id,
        order.size * order.limit_price,
        filled_usd,
        from_ms,
        min(known, default=None),
        over_ms,
    )


def _fills_by_order(facts: Facts) -> dict[str, list[VenueEvent]]:
    order_of = {action.cloid: action.order_id for action in facts.ledger.actions}
    found: dict[str, list[VenueEvent]] = defaultdict(list)
    for event in facts.events:
        if event.kind == "fill":
            order_id = order_of.get(str(event.fields.get("cloid") or "").lower())
            if order_id is not None:
                found[order_id].append(event)
    return found


def _flat_times(events: Iterable[VenueEvent], addresses: frozenset[str]) -> dict[Place, list[int]]:
    """When nothing of ours was left in each place."""
    held: dict[Place, Holding] = defaultdict(Holding)
    found: dict[Place, list[int]] = defaultdict(list)
    for event in events:
        if event.kind == "fill" and event.place[0] in addresses:
            held[event.place].play(event)
            if held[event.place].ours == 0:
                found[event.place].append(event.time_ms)
    return found
