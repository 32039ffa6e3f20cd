"""What one run of the enumerator is: a scenario, the thing it is killed at, how it dies, how its work comes again. Pure.

Promises: a case is one word (`entry:17:before_commit:twice`) and is read back from it; which cases there are follows from what an
undisturbed run did and from nothing else; a selection depends on its seed alone and leaves out no scenario, kill or redelivery
that there is.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kill(StrEnum):
    """How the process dies at a site: the first two at a transaction, the others at a request."""

    BEFORE_COMMIT = "before_commit"  # every statement ran, nothing is kept
    AFTER_COMMIT = "after_commit"  # it is kept, and nobody was told
    BEFORE_REPLY = "before_reply"  # the other side has acted, the answer is never looked at
    REPLY_LOST = "reply_lost"  # the other side has acted, the connection breaks; dies once it has written down its doubt


class Again(StrEnum):
    """How the work comes again after the death."""

    ONCE = "once"  # when the queue gives it out again, or at the next beat
    TWICE = "twice"  # at once, while the dead one's claim still stands, and again when it has lapsed
    CONCURRENTLY = "concurrently"  # when it has lapsed, to two workers that take turns at every edge


KILLS_OF_TRANSACTION = (Kill.BEFORE_COMMIT, Kill.AFTER_COMMIT)
KILLS_OF_REQUEST = (Kill.BEFORE_REPLY, Kill.REPLY_LOST)


@dataclass(frozen=True, slots=True)
class Site:
    """One thing that the invocations under test did: a transaction or a request, by its number from 1.

    `what` is the edge's own word, `by` the function that did it: `orders.carry.Carrier.carry`. `invocation` counts from 1 too.
    """

    number: int
    what: str
    by: str
    invocation: int = 1

    @property
    def kills(self) -> tuple[Kill, ...]:
        return KILLS_OF_TRANSACTION if self.what == "database" else KILLS_OF_REQUEST


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """One run; `str` of it is what `read_case` takes."""

    scenario: str
    site: int
    kill: Kill
    again: Again

    def __str__(self) -> str:
        return f"{self.scenario}:{self.site}:{self.kill}:{self.again}"


def read_case(word: str) -> Case:
    """The case that a person named. Raises ValueError with a sentence."""
    parts = word.split(":")
    if len(parts) != 4 or not parts[1].isdigit():
        raise ValueError(f"{word!r}: write scenario:number:kill:again, as in entry:17:before_commit:twice")
    try:
        return Case(parts[0], int(parts[1]), Kill(parts[2]), Again(parts[3]))
    except ValueError:
        kills, agains = ", ".join(Kill), ", ".join(Again)
        raise ValueError(f"{word!r}: a kill is one of {kills}; again is one of {agains}") from None


def cases_of(scenario: str, sites: Iterable[Site]) -> list[Case]:
    """Every case of a scenario."""
    return [
        Case(scenario, site.number, kill, again) for site in sites for kill in site.kills for again in Again
    ]


def select(cases: Sequence[Case], most: int, seed: int) -> list[Case]:
    """At most `most` of a scenario's cases, the same for the same seed; each kill and each redelivery first, then each pairing."""
    shuffled = list(cases)
    random.Random(f"{seed}/{cases[0].scenario}" if cases else seed).shuffle(shuffled)
    chosen: dict[Case, None] = {}
    seen: set[object] = set()
    for case in shuffled:
        if case.kill not in seen or case.again not in seen:
            seen |= {case.kill, case.again}
            chosen[case] = None
    for case in shuffled:
        if (case.kill, case.again) not in {(each.kill, each.again) for each in chosen}:
            chosen[case] = None
    chosen |= dict.fromkeys(shuffled)
    return sorted(list(chosen)[:most])
