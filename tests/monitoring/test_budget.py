"""The documented number of accounts per egress address follows from what a pass really asks of the venue."""

from datetime import timedelta
from pathlib import Path

import pytest

from outcry.monitoring import budget
from outcry.monitoring.budget import ACCOUNTS_PER_ADDRESS, QUIET_ACCOUNTS_PER_ADDRESS, weight_a_minute
from outcry.monitoring.tick import ACCOUNTS_PER_MESSAGE, BEATS_S
from tests.orders.workshop import LIVE, MASTER, Workshop

VENUES = Path(__file__).parents[2] / "docs" / "venues.md"
ALLOWED = 960  # of 1200, less a fifth


def test_the_accounts_of_one_address_leave_a_fifth_of_its_weight_to_the_orders() -> None:
    assert weight_a_minute(ACCOUNTS_PER_ADDRESS) <= ALLOWED < weight_a_minute(ACCOUNTS_PER_ADDRESS + 1)
    quiet = QUIET_ACCOUNTS_PER_ADDRESS
    assert weight_a_minute(quiet, with_fills=False) <= ALLOWED < weight_a_minute(quiet + 1, with_fills=False)


def test_every_message_reads_the_marks_for_itself() -> None:
    one, two = weight_a_minute(ACCOUNTS_PER_MESSAGE), weight_a_minute(ACCOUNTS_PER_MESSAGE + 1)

    assert two - one > len(BEATS_S) * budget.MARKS_WEIGHT


def test_a_minute_of_passes_over_one_account_costs_what_is_worked_out(workshop: Workshop) -> None:
    workshop.enter()
    workshop.watch()  # reads the markets, and what is read once an hour
    before = workshop.venue.weight_used

    for number in range(len(BEATS_S)):
        workshop.mark("BTC", str(60001 + number))
        workshop.clock.advance(timedelta(seconds=15))
        now = workshop.clock.now()
        workshop.monitor.run([LIVE], due_at=now, deadline=now + timedelta(seconds=30), trace_id="tick")

    hourly = -(-budget.FUNDING_WEIGHT_AN_HOUR // 60)
    assert workshop.venue.weight_used - before == weight_a_minute(1, with_fills=False) - hourly


@pytest.mark.parametrize("read", ["fills", "funding"])
def test_a_reading_of_fills_or_funding_costs_what_is_worked_out(workshop: Workshop, read: str) -> None:
    before = workshop.venue.weight_used

    getattr(workshop.venue, read)(MASTER, workshop.clock.now())

    assert (
        workshop.venue.weight_used - before
        == {"fills": budget.FILLS_WEIGHT, "funding": budget.FUNDING_WEIGHT_AN_HOUR}[read]
    )


def test_the_documented_numbers_are_these() -> None:
    said = VENUES.read_text()

    assert f"**{ACCOUNTS_PER_ADDRESS} accounts**" in said
    assert f"{QUIET_ACCOUNTS_PER_ADDRESS} while nothing is executed" in said
