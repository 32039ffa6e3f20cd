"""The queues of the simulation do what SQS promises, and no more."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from local.simulation import functions
from local.simulation.queues import NoMishaps, Queues
from outcry.runtime.clock import FixedClock
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.queues import Queue, Ring

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Twice(NoMishaps):
    def twins(self, queue: Queue) -> int:
        return 1


class Refusing(NoMishaps):
    def __init__(self, *, keeps: bool) -> None:
        self.keeps = keeps

    def refuses(self, queue: Queue) -> bool | None:
        return self.keeps


def queues_at(clock: FixedClock, mishaps: NoMishaps | None = None) -> Queues:
    return Queues(functions.template()[0], clock, Random(1), mishaps or NoMishaps())


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


def test_a_delayed_message_is_seen_when_its_delay_is_over(clock: FixedClock) -> None:
    queues = queues_at(clock)

    queues.ring(Queue.EXITS, [Ring("1", "t")], delay_s=5)

    assert queues.visible(Queue.EXITS) == []
    clock.advance(timedelta(seconds=5))
    assert [letter.row for letter in queues.visible(Queue.EXITS)] == ["1"]


def test_a_message_that_nobody_deletes_comes_again_after_its_visibility_timeout(clock: FixedClock) -> None:
    queues = queues_at(clock)
    queues.ring(Queue.EXITS, [Ring("1", "t")])

    (letter,) = queues.receive(Queue.EXITS, 10)

    assert queues.receive(Queue.EXITS, 10) == []
    clock.advance(timedelta(seconds=45))
    assert queues.receive(Queue.EXITS, 10) == [letter]
    assert letter.receives == 2


def test_a_message_that_failed_too_often_is_a_dead_letter_until_it_is_redriven(clock: FixedClock) -> None:
    queues = queues_at(clock)
    queues.ring(Queue.ENTRIES, [Ring("1", "t")])
    for _ in range(4):
        assert queues.receive(Queue.ENTRIES, 1)
        clock.advance(timedelta(seconds=180))

    assert queues.receive(Queue.ENTRIES, 1) == []
    assert len(queues.dead(Queue.ENTRIES)) == 1

    assert queues.redrive() == 1
    assert [letter.receives for letter in queues.receive(Queue.ENTRIES, 1)] == [1]


def test_a_tick_is_forgotten_after_a_minute(clock: FixedClock) -> None:
    queues = queues_at(clock)
    queues.ring(Queue.TICKS_HYPERLIQUID, [Ring("1", "t")])

    clock.advance(timedelta(seconds=60))

    assert queues.visible(Queue.TICKS_HYPERLIQUID) == []


def test_a_deleted_message_leaves_its_twin(clock: FixedClock) -> None:
    queues = queues_at(clock, Twice())
    queues.ring(Queue.EXITS, [Ring("1", "t")])

    first, second = queues.receive(Queue.EXITS, 10)
    queues.delete(first)

    assert first.message_id == second.message_id
    assert queues.waiting(Queue.EXITS) == 1


@pytest.mark.parametrize("keeps", [True, False])
def test_a_ring_that_fails_may_have_arrived(clock: FixedClock, *, keeps: bool) -> None:
    queues = queues_at(clock, Refusing(keeps=keeps))

    with pytest.raises(InfrastructureError):
        queues.ring(Queue.EXITS, [Ring("1", "t")])

    assert queues.waiting(Queue.EXITS) == int(keeps)
