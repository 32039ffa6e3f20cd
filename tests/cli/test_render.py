"""How figures, ages and documents are written."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from rich.console import Console

from outcry.cli import render
from outcry.runtime.side import Side

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "says"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=119), "119 s"),
        (timedelta(seconds=120), "2 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=5, minutes=10), "5 h 10 min"),
        (timedelta(hours=48), "2 d"),
    ],
)
def test_an_age_is_said_in_the_largest_unit_that_matters(ago: timedelta, says: str) -> None:
    assert render.age(NOW - ago, NOW) == says


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Decimal("60000.000"), "60,000"),
        (Decimal("0.00012300"), "0.000123"),
        (Decimal("1E+3"), "1,000"),
        (Decimal(100), "100"),
        (None, "-"),
    ],
)
def test_a_figure_has_its_thousands_apart_and_no_idle_zeros(value: Decimal | None, says: str) -> None:
    assert render.figure(value) == says


@pytest.mark.parametrize(("value", "says"), [("12.345", "+12.34"), ("-1234.5", "-1,234.50"), ("0", "+0.00")])
def test_dollars_carry_their_sign(value: str, says: str) -> None:
    assert render.usd(Decimal(value)) == says


@pytest.mark.parametrize(
    ("number", "what", "says"),
    [
        (0, "position", "no positions"),
        (1, "entry", "1 entry"),
        (2, "entry", "2 entries"),
        (3, "change", "3 changes"),
    ],
)
def test_things_are_counted_in_words(number: int, what: str, says: str) -> None:
    assert render.count(number, what) == says


def test_a_document_holds_text_where_money_is() -> None:
    uid = UUID(int=1)

    assert render.plain({"a": Decimal("1E-7"), "b": [NOW, uid, None, True, 3], "c": (Side.LONG,)}) == {
        "a": "0.0000001",
        "b": ["2026-01-05T12:00:00+00:00", str(uid), None, True, 3],
        "c": ["LONG"],
    }


def test_a_float_has_no_place_in_a_document() -> None:
    with pytest.raises(TypeError, match="float"):
        render.plain({"price": 1.5})


def test_a_reason_of_a_newer_build_is_shown_as_it_is() -> None:
    assert render.sentence("PAUSED") == "Entries are paused."
    assert render.sentence("FROM_TOMORROW") == "FROM_TOMORROW"
    assert render.sentence(None) == ""


def test_what_a_post_says_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    render.table("T", ("a",), [("[red]moon[/red] [/]",)])

    assert "[red]moon[/red] [/]" in capsys.readouterr().out


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_figure_is_cut_on_a_narrow_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = [f"6{number},123.5" for number in range(6)]
    columns = [*(f"column {number}" for number in range(6)), "why"]
    monkeypatch.setattr(render, "console", lambda: Console(width=width, highlight=False))

    render.table(
        "T", columns, [(*figures, "a reason that needs more words than one line of a terminal takes")]
    )

    shown = capsys.readouterr().out
    assert all(figure in shown for figure in figures)
    assert "terminal" in shown.split()
    assert max(len(line) for line in shown.splitlines()) <= width
