"""What a run is judged by, and what came of it. Pure data.

A judgement names its invariant, counts what it looked at, and says each violation in one sentence with the ids of what
it is about. One that looked at nothing proved nothing: `Verdict.vacuous` names those.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from local.audit.model import Ledger, VenueEvent


class Invariant(StrEnum):
    """The promises that hold at every moment of a run, or at its end where it ended calm."""

    FILL_SETS = "one fill set per intent and none lost"
    SIZES = "our size is the venue's less foreign size, by place"
    PROTECTION = "nothing stands without a stop beyond the deadline, else it was closed and told"
    NONCES = "nonces are unique and rise, and one body goes out under each"
    CAPS = "no cap is exceeded"
    PAUSES = "no entry is prepared after a pause, and none sent after a halt"
    EXITS = "every exit obligation ends flat"
    LATENESS = "no entry is sent or carried out too late"
    PROFITS = "profit is fills, fees and funding, and unknown where they are not all known"
    FOREIGN = "foreign size is never sold"
    POISON = "what cannot go on is set aside with its reason, and all else goes on"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How exactly the run's times can be compared, in milliseconds.

    `skew_ms`: how far two of its clocks may be apart. `race_ms`: how long a worker may take from reading its clock to its
    commit, so that a control with an earlier time may have committed later; `sending_ms`: how long what was prepared may take to
    be signed and sent in one go, which a halt does not call back. `protect_ms`: within which a position that the
    ledger knows of rests with a stop; `detect_ms` is added where the stop was there and went. `told_ms`: how much later a
    person is told at most. `booking_ms`: what is younger at the end of a run that is not calm may still be being booked.
    `overdue_ms`: how long a row may have been due at the end.
    """

    skew_ms: int = 0
    race_ms: int = 2_000
    sending_ms: int = 2_000
    protect_ms: int = 20_000
    detect_ms: int = 25_000
    told_ms: int = 30_000
    booking_ms: int = 60_000
    overdue_ms: int = 20 * 60_000


@dataclass(frozen=True, slots=True)
class Facts:
    """The two sides of a run up to `until_ms` (Unix milliseconds).

    `is_settled`: the run ended calm, so that whatever was under way had the time to end.
    """

    events: tuple[VenueEvent, ...]
    ledger: Ledger
    until_ms: int
    is_settled: bool = True
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def booked_until_ms(self) -> int:
        """Up to when what the venue did must be in the ledger."""
        return self.until_ms if self.is_settled else self.until_ms - self.bounds.booking_ms


@dataclass(frozen=True, slots=True)
class Judgement:
    """One invariant, how many things it was judged on, and each violation in words."""

    invariant: Invariant
    looked_at: int
    violations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """All judgements of a run."""

    judgements: tuple[Judgement, ...]

    @property
    def violations(self) -> tuple[str, ...]:
        """Every violation, each with the name of its invariant before it."""
        return tuple(f"{each.invariant.name}: {what}" for each in self.judgements for what in each.violations)

    @property
    def looked_at(self) -> Mapping[Invariant, int]:
        return {each.invariant: each.looked_at for each in self.judgements}

    @property
    def vacuous(self) -> tuple[Invariant, ...]:
        """The invariants that nothing in the run could have violated."""
        return tuple(each.invariant for each in self.judgements if not each.looked_at)

    def of(self, invariant: Invariant) -> Judgement:
        return next(each for each in self.judgements if each.invariant is invariant)
