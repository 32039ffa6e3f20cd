"""No owned position stands without a resting stop beyond the deadline; else it is being closed, and a person was told. Pure.

From the venue's rests, resizes, cancels and triggers over time. The time counts from when the ledger knew of the size (its
first fill was recorded, or its entry's answer was), because nobody can protect what they cannot know of; where a stop was
there and went, what it takes to notice is added. A position that the ledger has not got counts from its first second.
"""

from collections import defaultdict
from collections.abc import Iterator

from local.audit.exposure import Gap, exposure
from local.audit.invariants.words import when, where
from local.audit.model import LedgerPosition, Place
from local.audit.verdict import Facts, Invariant, Judgement

_TELLING = frozenset({"warning", "page"})


def protection(facts: Facts) -> Judgement:
    """Judged on every stretch of time in which something of ours was held at the venue."""
    seen = exposure(facts.events, facts.ledger.addresses, until_ms=facts.until_ms)
    history = _History(facts)
    violations = [what for gap in seen.gaps for what in history.judge(gap)]
    return Judgement(Invariant.PROTECTION, seen.stretches, tuple(violations))


class _History:
    """When the ledger knew of each position, and what it did about it."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        ledger = facts.ledger
        self._known_ms: dict[str, int] = {}
        self._orders: dict[str, list[str]] = defaultdict(list)
        self._exits: dict[str, list[int]] = defaultdict(list)
        position_of = {order.order_id: order.position_id for order in ledger.orders}
        self._owned: dict[Place, list[LedgerPosition]] = defaultdict(list)
        for position in ledger.positions:
            if position.is_owned:
                self._owned[position.place].append(position)
        for order in ledger.orders:
            if order.position_id is not None:
                self._orders[order.position_id].append(order.order_id)
                if order.kind == "exit":
                    self._exits[order.position_id].append(order.created_ms)
        for fill in ledger.fills:
            self._learn(fill.position_id, fill.recorded_ms)
        for request in ledger.requests:
            if request.acked_size and request.answered_ms is not None:
                self._learn(position_of.get(request.order_id), request.answered_ms)

    def _learn(self, position_id: str | None, at_ms: int) -> None:
        if position_id is not None:
            self._known_ms[position_id] = min(at_ms, self._known_ms.get(position_id, at_ms))

    def judge(self, gap: Gap) -> Iterator[str]:
        """What is wrong with a gap, if it lasted beyond what is allowed."""
        bounds = self._facts.bounds
        position = self._owner(gap)
        known_ms = gap.from_ms if position is None else self._known_ms.get(position.position_id, gap.until_ms)
        since_ms = max(gap.from_ms, known_ms)
        allowed_ms = bounds.protect_ms + (0 if gap.began == "fill" else bounds.detect_ms) + bounds.skew_ms
        lasting_ms = gap.until_ms - since_ms
        if lasting_ms <= allowed_ms:
            return
        name = f"{where(gap.place)} stood {lasting_ms / 1000:.1f} s without a stop from {when(since_ms)}"
        if position is None:
            yield f"{name}, and no position of the ledger owns it"
            return
        name += f" (position {position.position_id}, {position.status})"
        is_due = lasting_ms > allowed_ms + bounds.told_ms  # for what is still under way at the end of the run
        if (
            gap.ended != "flat"
            and not self._exits[position.position_id]
            and position.status != "UNMANAGED"
            and is_due
        ):
            yield f"{name}, and nothing was done to close it"
        if not self._was_told(position, gap) and (gap.ended or is_due):
            yield f"{name}, and nobody was told"

    def _owner(self, gap: Gap) -> LedgerPosition | None:
        """The owned position of the place that was there last before the gap ended."""
        begun = [position for position in self._owned[gap.place] if position.created_ms < gap.until_ms]
        return max(begun, key=lambda position: position.created_ms, default=None)

    def _was_told(self, position: LedgerPosition, gap: Gap) -> bool:
        account = self._account(position)
        about = [position.position_id, *self._orders[position.position_id], f"signer:{account}"]
        latest_ms = gap.until_ms + self._facts.bounds.told_ms
        return any(
            notice.level in _TELLING
            and notice.created_ms <= latest_ms
            and any(name in notice.key for name in about)
            for notice in self._facts.ledger.notices
        )

    def _account(self, position: LedgerPosition) -> str:
        accounts = self._facts.ledger.desk.accounts
        return next((name for name, (address, _) in accounts.items() if address == position.place[0]), "")
