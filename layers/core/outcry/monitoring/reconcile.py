"""What a venue shows against what the book says, place by place. Pure.

Promises:
- Nothing is concluded where an action is in flight, or where a fill is newer than the snapshot less a lag bound.
- Absent means "close pending", never "closed": only fills close a position.
- What others hold in a place is noticed and counted apart; it is never taken for ours.
- Reconciling twice concludes the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

LAG = timedelta(seconds=3)
ZERO = Decimal(0)


class Verdict(StrEnum):
    """What a place turned out to be."""

    IN_STEP = "IN_STEP"
    WAIT = "WAIT"  # something is under way: look again at the next pass
    READ_FILLS = "READ_FILLS"  # the venue moved and the book has not heard of it
    ABSENT = "ABSENT"  # we think that we hold something and the venue shows nothing
    FOREIGN = "FOREIGN"  # the venue shows size that is not ours


@dataclass(frozen=True, slots=True)
class Held:
    """What the book says of one place; `size` is signed, `changed_at` is its latest fill or action."""

    position_key: str
    size: Decimal
    in_flight: bool
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One place's verdict; `foreign_size` is what the venue shows beyond ours, signed."""

    position_key: str
    verdict: Verdict
    foreign_size: Decimal = ZERO


def reconcile(book: Iterable[Held], shown: Mapping[str, Decimal], taken_at: datetime) -> list[Finding]:
    """Compare each place of the book, and each size that the venue shows, by position key."""
    findings: list[Finding] = []
    known: set[str] = set()
    for held in book:
        known.add(held.position_key)
        findings.append(_place(held, shown.get(held.position_key, ZERO), taken_at))
    for key, size in shown.items():
        if key not in known and size != 0:
            findings.append(Finding(key, Verdict.FOREIGN, size))
    return findings


def _place(held: Held, size: Decimal, taken_at: datetime) -> Finding:
    if size == held.size:
        return Finding(held.position_key, Verdict.IN_STEP)
    if held.in_flight or (held.changed_at is not None and taken_at - LAG < held.changed_at):
        return Finding(held.position_key, Verdict.WAIT)
    if size == 0:
        return Finding(held.position_key, Verdict.ABSENT)
    smaller_same_side = size * held.size > 0 and abs(size) < abs(held.size)
    if smaller_same_side:
        return Finding(held.position_key, Verdict.READ_FILLS)
    return Finding(held.position_key, Verdict.FOREIGN, size - held.size)


def is_same_sighting(earlier: Decimal | None, now: Decimal, *, apart: timedelta, at_least: timedelta) -> bool:
    """Whether two snapshots agree on a foreign size, far enough apart to believe it."""
    return earlier is not None and earlier == now and apart >= at_least
