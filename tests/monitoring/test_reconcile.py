"""Book against venue, place by place: nothing is concluded too early, and nothing absent is called closed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.monitoring.reconcile import LAG, Finding, Held, Verdict, is_same_sighting, reconcile

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LONG_AGO = NOON - timedelta(minutes=5)


def one(
    held: str, shown: str | None, *, in_flight: bool = False, changed_at: datetime | None = LONG_AGO
) -> Finding:
    """What is found in a place where the book says `held` and the venue shows `shown`."""
    book = [Held("BTC", Decimal(held), in_flight, changed_at)]
    (finding,) = reconcile(book, {} if shown is None else {"BTC": Decimal(shown)}, NOON)
    return finding


@pytest.mark.parametrize(("held", "shown"), [("1", "1.0"), ("-1", "-1"), ("0", None), ("0", "0")])
def test_the_same_size_is_in_step(held: str, shown: str | None) -> None:
    assert one(held, shown) == Finding("BTC", Verdict.IN_STEP)


@pytest.mark.parametrize("shown", [None, "0"])
@pytest.mark.parametrize("held", ["1", "-1"])
def test_f14_f16_f13_what_the_venue_no_longer_shows_is_absent_and_not_closed(
    held: str, shown: str | None
) -> None:
    found = one(held, shown)

    assert found == Finding("BTC", Verdict.ABSENT)
    assert "CLOSED" not in {verdict.value for verdict in Verdict}


@pytest.mark.parametrize(("held", "shown"), [("2", "1"), ("-2", "-0.5")])
def test_f19_a_smaller_size_of_ours_means_fills_to_be_read(held: str, shown: str) -> None:
    assert one(held, shown).verdict is Verdict.READ_FILLS


@pytest.mark.parametrize(
    ("held", "shown", "foreign"), [("1", "3", "2"), ("-1", "-3", "-2"), ("1", "-1", "-2"), ("0", "2", "2")]
)
def test_f39_what_is_not_ours_is_counted_apart(held: str, shown: str, foreign: str) -> None:
    assert one(held, shown) == Finding("BTC", Verdict.FOREIGN, Decimal(foreign))


def test_f39_a_place_that_the_book_does_not_know_is_foreign_where_it_holds_anything() -> None:
    found = reconcile([], {"ETH": Decimal(-2), "SOL": Decimal(0)}, NOON)

    assert found == [Finding("ETH", Verdict.FOREIGN, Decimal(-2))]


def test_f14_every_place_of_the_book_is_looked_at_when_the_venue_shows_nothing_at_all() -> None:
    book = [Held(key, Decimal(1), False, None) for key in ("BTC", "ETH")]

    assert [found.verdict for found in reconcile(book, {}, NOON)] == [Verdict.ABSENT, Verdict.ABSENT]


@pytest.mark.parametrize(
    ("changed_at", "verdict"),
    [
        (NOON - LAG + timedelta(milliseconds=1), Verdict.WAIT),
        (NOON + timedelta(seconds=1), Verdict.WAIT),
        (NOON - LAG, Verdict.ABSENT),
        (None, Verdict.ABSENT),
    ],
)
def test_f16_a_snapshot_no_newer_than_the_latest_fill_and_its_lag_concludes_nothing(
    changed_at: datetime | None, verdict: Verdict
) -> None:
    assert one("1", None, changed_at=changed_at).verdict is verdict


sizes = st.integers(-3, 3).map(Decimal)
moments = st.none() | st.integers(-10, 2).map(lambda s: NOON + timedelta(seconds=s))
books = st.lists(
    st.builds(Held, st.sampled_from(["BTC", "ETH", "SOL"]), sizes, st.booleans(), moments),
    unique_by=lambda held: held.position_key,
)
shows = st.dictionaries(st.sampled_from(["BTC", "ETH", "SOL", "XRP"]), sizes)


@given(sizes, sizes, moments)
def test_f16_nothing_is_concluded_while_an_action_is_in_flight(
    held: Decimal, shown: Decimal, changed_at: datetime | None
) -> None:
    found = one(str(held), str(shown), in_flight=True, changed_at=changed_at)

    assert found == Finding("BTC", Verdict.IN_STEP if held == shown else Verdict.WAIT)


@given(books, shows)
def test_reconciling_twice_concludes_the_same(book: list[Held], shown: dict[str, Decimal]) -> None:
    assert reconcile(book, shown, NOON) == reconcile(book, shown, NOON)


@given(books, shows)
def test_every_place_has_one_finding_and_a_foreign_one_explains_the_difference(
    book: list[Held], shown: dict[str, Decimal]
) -> None:
    found = reconcile(book, shown, NOON)

    ours = {held.position_key: held.size for held in book}
    keys = [finding.position_key for finding in found]
    assert len(keys) == len(set(keys))
    assert set(keys) == set(ours) | {key for key, size in shown.items() if size}
    for finding in found:
        shown_size = shown.get(finding.position_key, Decimal(0))
        ours_size = ours.get(finding.position_key, Decimal(0))
        if finding.verdict is Verdict.FOREIGN:
            assert ours_size + finding.foreign_size == shown_size
            assert shown_size != 0
        else:
            assert finding.foreign_size == 0


@pytest.mark.parametrize(
    ("earlier", "apart_s", "is_same"), [("2", 10, True), ("2", 9, False), ("1", 30, False), (None, 30, False)]
)
def test_a_foreign_size_is_believed_after_two_agreeing_looks_far_enough_apart(
    earlier: str | None, apart_s: int, *, is_same: bool
) -> None:
    found = is_same_sighting(
        None if earlier is None else Decimal(earlier),
        Decimal(2),
        apart=timedelta(seconds=apart_s),
        at_least=timedelta(seconds=10),
    )

    assert found is is_same
