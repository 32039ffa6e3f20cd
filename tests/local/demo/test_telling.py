"""What happened is told once, in words and in the one object."""

import io
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from local.audit.model import Checks
from local.demo.remarks import Reach, reach_lines
from local.demo.report import as_object, exit_reasons, skip_reasons
from local.demo.screen import draw
from local.demo.show import LiveShow, PlainShow, choose
from local.demo.store import Story
from local.demo.story import Line, Teller, price
from local.demo.summary import audit_lines, lines_of
from local.dispatcher.dispatcher import Failure, Tally

AT = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
CLEAN = Checks(0, 0, 0.07, Decimal("0.000"), Decimal("0.00"))
BROKEN = Checks(1, 2, 90.0, Decimal("0.5"), Decimal("1.25"), findings=("14:00:00 BTC: something",))
WHOLE = Reach(AT + timedelta(hours=1), AT + timedelta(hours=1), 0)


def order(**changed: Any) -> dict[str, Any]:
    return {
        "order_id": "o1",
        "deployment_id": "d1",
        "kind": "enter",
        "market": "BTC",
        "side": "LONG",
        "leg": "entry",
        "sequence": 0,
        "status": "FILLED",
        "reason": None,
        "detail": None,
        "size": Decimal("0.5"),
        "trigger_price": None,
        "filled_size": Decimal("0.50"),
        "average_price": Decimal("60000.00"),
        "account_id": "live",
        "position_id": "p1",
        "created_at": AT,
        "updated_at": AT,
        "finished_at": AT,
        **changed,
    }


def position(**changed: Any) -> dict[str, Any]:
    return {
        "position_id": "p1",
        "deployment_id": "d1",
        "account_id": "live",
        "venue": "hyperliquid",
        "market": "BTC",
        "side": "LONG",
        "status": "OPEN",
        "exit_reason": None,
        "size": Decimal("0.5"),
        "entry_price": Decimal("60000.0"),
        "exit_price": None,
        "stop_price": Decimal(58900),
        "peak": Decimal(60000),
        "trail_price": None,
        "realised_pnl_usd": None,
        "protected_at": AT,
        "opened_at": AT,
        "closed_at": None,
        **changed,
    }


CLOSED = {
    "status": "CLOSED",
    "exit_reason": "STOP_LOSS",
    "exit_price": Decimal("58890.50"),
    "realised_pnl_usd": Decimal("-20.123456"),
    "closed_at": AT + timedelta(minutes=9),
}


SKIPPED = {"status": "SKIPPED", "reason": "SCORE_TOO_LOW", "score": None}
CALL = {
    "call_id": 1,
    "post_id": 5,
    "username": "marta",
    "token": "BTC",
    "side": "LONG",
    "action": "OPEN",
    "conviction": Decimal("0.90"),
    "stop": Decimal("58900.0"),
    "targets": [Decimal(61800)],
    "evidence": "LONG BTC",
    "heard_at": AT,
}
FILL = {
    "fill_id": "7",
    "order_id": "o1",
    "deployment_id": "d1",
    "account_id": "live",
    "venue": "hyperliquid",
    "market": "BTC",
    "is_buy": True,
    "price": Decimal("60000.0"),
    "size": Decimal("0.50"),
    "fee_usd": Decimal("13.5"),
    "is_liquidation": False,
    "filled_at": AT,
}


def post(post_id: int, username: str, text: str, status: str, reason: str | None) -> dict[str, Any]:
    return {
        "post_id": post_id,
        "username": username,
        "text": text,
        "status": status,
        "reason": reason,
        "created_at": AT,
        "received_at": AT,
    }


def signal(**changed: Any) -> dict[str, Any]:
    return {
        "signal_id": 1,
        "agent_id": "a1",
        "post_ids": [5],
        "token": "BTC",
        "market": "BTC",
        "side": "LONG",
        "action": "OPEN",
        "status": "TAKEN",
        "reason": None,
        "detail": None,
        "score": Decimal("0.7"),
        "decided_at": AT,
        **changed,
    }


def story(**changed: Any) -> Story:
    parts: dict[str, Any] = {
        "at": AT + timedelta(minutes=10),
        "posts": [
            post(5, "marta", "LONG BTC", "CLASSIFIED", None),
            post(6, "chen", "gm", "NOT_A_CALL", "NO_CALL"),
        ],
        "calls": [CALL],
        "signals": [signal(), signal(signal_id=2, agent_id="a2", market=None, **SKIPPED)],
        "orders": [order()],
        "fills": [FILL],
        "positions": [position()],
        "marks": {"BTC": {"market": "BTC", "mark": Decimal(60100), "read_at": AT}},
        "equity": [
            {"account_id": "live", "equity_usd": Decimal(10000), "free_usd": Decimal(9000), "taken_at": AT}
        ],
        "notices": [],
        **changed,
    }
    return Story(**parts)


# ─── sentences ───


def test_every_event_is_told_once_and_in_order() -> None:
    teller = Teller()

    first = teller.new_lines(story())
    again = teller.new_lines(story())
    later = teller.new_lines(story(positions=[position(**CLOSED)]))

    assert [line.at for line in first] == sorted(line.at for line in first)
    assert again == []
    assert [line.text for line in later] == [
        "d1: LONG BTC closed at 58890.5 with -20.12 USD: the stop loss was reached"
    ]


@pytest.mark.parametrize(
    "said",
    [
        "@marta: LONG BTC",
        "no call in @chen's post: the post states no trade of its author's own",
        "OPEN LONG BTC by @marta, conviction 0.90, stop 58900, targets 61800, because of “LONG BTC”",
        "a1: open LONG BTC taken, score +0.70",
        "a2: open LONG BTC skipped: the weighted evidence is below the agent's minimum score",
        "d1: entry LONG BTC filled 0.5 at 60000",
        "d1: LONG BTC open at 60000, stop 58900",
    ],
)
def test_an_event_is_one_sentence(said: str) -> None:
    assert said in [line.text for line in Teller().new_lines(story())]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"status": "SKIPPED", "reason": "PLACE_TAKEN"},
            "entry LONG BTC skipped: a position or an order of ours is already in this place",
        ),
        (
            {"kind": "protect", "leg": "stop", "status": "RESTING", "trigger_price": Decimal("58900.0")},
            "stop LONG BTC rests at 58900 for 0.5",
        ),
        (
            {"status": "REJECTED", "reason": "VENUE_MARGIN"},
            "entry LONG BTC rejected: the venue found too little margin",
        ),
        ({"status": "EXPIRED", "reason": "SOMETHING_NEW"}, "entry LONG BTC expired: SOMETHING_NEW"),
        ({"status": "UNKNOWN"}, "entry LONG BTC unknown: no reason given"),
    ],
)
def test_what_became_of_an_order_is_said(changes: dict[str, Any], said: str) -> None:
    lines = Teller().new_lines(story(orders=[order(**changes)]))

    assert f"d1: {said}" in [line.text for line in lines]


@pytest.mark.parametrize("status", ["PLANNED", "APPROVED", "WORKING", "CANCELLED"])
def test_what_lies_in_between_is_not_told(status: str) -> None:
    lines = Teller().new_lines(story(orders=[order(status=status)]))

    assert not [line for line in lines if line.kind == "order"]


def test_in_one_instant_the_cause_comes_before_its_effect() -> None:
    later = AT + timedelta(seconds=1)  # when the orders were written; the fills happened at AT
    orders = [
        order(order_id="o3", kind="protect", leg="tp1", status="RESTING", trigger_price=Decimal(61800)),
        order(order_id="o2", kind="protect", leg="stop", status="RESTING", trigger_price=Decimal(58900)),
        order(order_id="o4", kind="exit", leg="exit", updated_at=later),
        order(updated_at=later),
    ]
    told = story(
        posts=[],
        calls=[],
        signals=[],
        orders=orders,
        fills=[FILL, {**FILL, "fill_id": "8", "order_id": "o4"}],
        positions=[position(**{**CLOSED, "closed_at": AT})],
    )

    lines = [line.text.removeprefix("d1: ") for line in Teller().new_lines(told)]

    assert [line.split(" LONG BTC ")[0] for line in lines] == ["entry", "LONG BTC open at 60000, stop 58900",
        "stop", "tp1", "exit", lines[-1]]  # fmt: skip
    assert lines[-1].startswith("LONG BTC closed")


def test_what_follows_from_an_order_is_told_once_the_order_has_ended() -> None:
    teller = Teller()
    entry = order(status="WORKING", average_price=None, finished_at=None)
    stop = order(
        order_id="o2", kind="protect", leg="stop", status="RESTING", trigger_price=Decimal(58900), finished_at=None
    )  # fmt: skip

    early = teller.new_lines(story(orders=[entry, stop]))
    after = teller.new_lines(story(orders=[order(), stop]))

    assert not [line for line in early if line.kind in {"order", "position"}]
    told = [line.text.removeprefix("d1: ").split(" LONG BTC ")[0] for line in after]
    assert told == ["entry", "LONG BTC open at 60000, stop 58900", "stop"]


def test_a_position_is_told_closed_after_its_exit_and_in_the_last_story_whatever_its_exit_does() -> None:
    exiting = order(order_id="o4", kind="exit", leg="exit", status="UNKNOWN", finished_at=None)
    fills = [FILL, {**FILL, "fill_id": "8", "order_id": "o4"}]
    told = story(orders=[order(), exiting], fills=fills, positions=[position(**CLOSED)])
    teller = Teller()

    before = teller.new_lines(told)
    last = teller.new_lines(told, is_last=True)

    assert not [line for line in before if "closed at" in line.text]
    assert [line for line in last if "closed at" in line.text] == last != []


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("60886.44128040000000000000000", "60886.441"),
        ("0.00001234567894", "0.000012345679"),
        ("58890.50", "58890.5"),
        ("70000000", "70000000"),
    ],
)
def test_a_price_has_at_most_eight_significant_figures(number: str, said: str) -> None:
    closed = story(positions=[position(**{**CLOSED, "exit_price": Decimal(number)})])

    assert price(Decimal(number)) == said
    assert as_object(closed, CLEAN, WHOLE, 1)["positions"][0]["exit_price"] == said


def test_a_profit_that_is_not_known_is_called_unknown() -> None:
    lines = Teller().new_lines(story(positions=[position(**{**CLOSED, "realised_pnl_usd": None})]))

    assert "unknown PnL" in lines[-1].text


# ─── the object ───


def test_the_object_has_exactly_the_parts_that_are_promised() -> None:
    found = as_object(story(positions=[position(**CLOSED)]), CLEAN, WHOLE, 12.34)

    assert list(found) == [
        *("posts", "calls", "signals", "orders", "fills", "positions", "checks", "reached", "elapsed_s")
    ]
    assert found["reached"] == {
        "until": "2026-03-02T15:00:00+00:00",
        "of": "2026-03-02T15:00:00+00:00",
        "posts_not_reached": 0,
    }
    assert found["calls"] == [
        {"post_id": "5", "token": "BTC", "side": "LONG", "action": "OPEN", "conviction": 0.9}
    ]
    assert found["signals"][1] == {
        "post_ids": ["5"],
        "agent": "a2",
        "market": "BTC",
        "side": "LONG",
        "status": "SKIPPED",
        "reason": "SCORE_TOO_LOW",
    }
    assert found["orders"] == [
        {
            "id": "o1",
            "deployment": "d1",
            "kind": "enter",
            "market": "BTC",
            "side": "LONG",
            "leg": "entry",
            "status": "FILLED",
            "reason": None,
        }
    ]
    assert found["positions"] == [
        {
            "deployment": "d1",
            "market": "BTC",
            "side": "LONG",
            "status": "CLOSED",
            "exit_reason": "STOP_LOSS",
            "entry_price": "60000",
            "exit_price": "58890.5",
            "realised_pnl_usd": "-20.123456",
        }
    ]
    assert found["elapsed_s"] == 12.3
    json.dumps(found)


def test_checks_that_are_clean_compare_with_zero() -> None:
    checks = as_object(story(), CLEAN, WHOLE, 1)["checks"]

    assert checks == {
        "venue_fills_without_order": 0,
        "orders_with_more_than_one_fill_set": 0,
        "seconds_owned_without_venue_stop_max": 0.07,
        "ledger_vs_venue_position_mismatch": 0,
        "pnl_vs_venue_difference_usd": "0.00",
        "invariant_violations": 0,
    }


def test_violations_of_the_invariants_break_the_audit_and_are_said() -> None:
    found = replace(CLEAN, invariants=11, judged=140, violations=("NONCES: nonce 7 came twice",))

    lines = list(audit_lines(found))

    assert not found.are_clean
    assert "  BROKEN 1 violation of 11 invariants, judged on 140 things" in lines
    assert lines[-1].strip() == "NONCES: nonce 7 came twice"


def test_checks_that_are_not_say_by_how_much() -> None:
    checks = as_object(story(), BROKEN, WHOLE, 1)["checks"]

    assert (checks["ledger_vs_venue_position_mismatch"], checks["pnl_vs_venue_difference_usd"]) == (
        0.5,
        "1.25",
    )


def test_reasons_are_counted() -> None:
    told = story(
        orders=[order(status="SKIPPED", reason="PAUSED")], positions=[position(**CLOSED), position()]
    )

    assert skip_reasons(told) == ["PAUSED", "SCORE_TOO_LOW"]
    assert exit_reasons(told) == {"STOP_LOSS": 1}


# ─── the summary ───


def test_the_summary_names_what_was_done_what_was_not_and_what_is_left() -> None:
    tally = Tally(runs=Counter({"tick": 3}), failures=[Failure(AT, "tick", "as asked")])
    told = story(positions=[position(**CLOSED), position(market="ETH"), position(venue="paper", **CLOSED)])

    text = "\n".join(lines_of(told, CLEAN, tally, market_time=timedelta(minutes=10), took_s=4.6))

    assert "10 min of market time in 5 s, 3 runs of functions" in text
    assert "2 signals (1 taken, 1 skipped)" in text
    assert "not done because of: SCORE_TOO_LOW" in text
    assert "live: 2 positions, -20.12 USD realised; left open WITHOUT A STOP: LONG ETH" in text
    assert "paper: 1 position, " in text
    assert "1 failed run, repeated; the first: as asked" in text
    assert "BROKEN" not in text


def test_what_is_left_open_is_said_to_have_a_stop_only_where_one_rests() -> None:
    stop = order(kind="protect", leg="stop", status="RESTING", position_id="p2", finished_at=None)
    told = story(orders=[stop], positions=[position(), position(position_id="p2", market="ETH")])

    text = "\n".join(lines_of(told, CLEAN, Tally(), market_time=timedelta(0), took_s=1))

    assert "left open with a stop that rests: LONG ETH; left open WITHOUT A STOP: LONG BTC" in text


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (timedelta(minutes=37), "reached 14:37 of 15:00 UTC; 2 posts not reached"),
        (timedelta(seconds=3590), "reached 14:59 of 15:00 UTC; 2 posts not reached"),
        (timedelta(days=-1), "reached 2026-03-01 14:00 of 2026-03-02 15:00 UTC; 2 posts not reached"),
    ],
)
def test_where_a_run_was_cut_is_said(until: timedelta, said: str) -> None:
    lines = list(reach_lines(Reach(AT + until, AT + timedelta(hours=1), 2)))

    assert lines == [
        f"This machine was too slow for this time line, or the files are too long: {said}",
    ]


def test_a_run_that_came_to_the_end_of_its_files_says_nothing_about_it() -> None:
    assert list(reach_lines(WHOLE)) == []


def test_the_summary_says_what_the_audit_found() -> None:
    text = "\n".join(lines_of(story(), BROKEN, Tally(), market_time=timedelta(0), took_s=1))

    assert text.count("BROKEN") == 5
    assert "14:00:00 BTC: something" in text


# ─── the show ───


def test_without_a_terminal_events_are_plain_lines() -> None:
    stream = io.StringIO()
    show = choose(stream)

    with show:
        show.progress("starting")
        show.happened(Teller().new_lines(story()), story(), begin=AT, end=AT, busy=[])

    assert isinstance(show, PlainShow)
    assert "starting" in stream.getvalue()
    assert "14:00:00 position d1: LONG BTC open at 60000, stop 58900" in stream.getvalue()


def drawn(told: Story, width: int, height: int, lines: list[Line] | None = None) -> list[str]:
    """The rows of the screen."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, height=height)
    seen = Teller().new_lines(told) if lines is None else lines
    console.print(draw(console, seen, told, AT, AT + timedelta(hours=1), ["tick", "monitor_hyperliquid"]))
    return stream.getvalue().splitlines()


def crowded() -> Story:
    """Nine closed positions and three open ones."""
    positions = [
        position(**{**CLOSED, "market": f"C{i}", "closed_at": AT + timedelta(minutes=i)}) for i in range(9)
    ] + [position(market=f"H{i}", deployment_id="compass-live") for i in range(3)]
    return story(positions=positions)


class Terminal(io.StringIO):
    """A stream that can be drawn on."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_screen_is_drawn_until_something_else_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()

    with choose(stream) as show:
        assert isinstance(show, LiveShow)
        show.progress("starting")
        told = story(positions=[position(), position(position_id="p2", **CLOSED)])
        show.happened(Teller().new_lines(told), told, begin=AT, end=AT + timedelta(hours=1), busy=["tick"])
        show.say("done")

    assert "-20.12" in stream.getvalue()
    assert "done" in stream.getvalue()


def test_a_wide_screen_shows_positions_with_their_profit_at_the_mark() -> None:
    told = story(positions=[position(), position(**CLOSED), position(market="ETH", entry_price=None)])

    text = "\n".join(drawn(told, 200, 50))

    assert "+50.00" in text
    assert "-20.12" in text
    assert "live 10000.00 USD (9000.00 free)" in text
    assert "peak" in text


def test_a_peak_is_shown_once_the_trail_is_active() -> None:
    held, trailing = position(peak=Decimal(60777)), position(peak=Decimal(60888), trail_price=Decimal(60400))

    text = "\n".join(drawn(story(positions=[held, trailing]), 200, 50))

    assert "60777" not in text
    assert "60888" in text


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (110, 24), (160, 50)])
def test_the_screen_fits_the_terminal_with_equity_and_what_is_open_on_it(width: int, height: int) -> None:
    rows = drawn(crowded(), width, height, [Line(AT, "post", "something", "")])
    text = "\n".join(rows)

    assert len(rows) < height
    assert max(map(len, rows)) <= width
    assert "live 10000.00 USD" in text
    assert all(f"H{i}" in text for i in range(3))
    assert text.index(" H2 ") < text.index(" C8 ")
    assert (" C0 " in text) is ("more" not in rows[-1])


def test_a_narrow_screen_leaves_columns_out_and_cuts_neither_figures_nor_reasons() -> None:
    told = story(positions=[position(deployment_id="a-deployment-with-a-long-name", **CLOSED)])
    why = "a2: open LONG BTC skipped: the weighted evidence is below the agent's minimum score"

    rows = drawn(told, 80, 24, [Line(AT, "signal", why, "yellow")])
    text = "\n".join(rows)

    assert "peak" not in text
    assert "minimum score" in text
    closed = next(row for row in rows if "STOP_LOSS" in row)
    assert closed.split() == ["a-deployment-wi…", "BTC", "LONG", "STOP_LOSS", "60000", "58900", "-20.12"]


def test_the_newest_events_are_the_ones_that_are_shown() -> None:
    lines = [Line(AT, "post", f"number {i} of the events, which is said at some length here", "") for i in range(60)]  # fmt: skip

    text = "\n".join(drawn(story(), 80, 24, lines))

    assert "number 59 of" in text
    assert "number 1 of" not in text


def test_a_screen_without_a_snapshot_says_so() -> None:
    assert "not read yet" in "\n".join(drawn(story(equity=[], marks={}), 80, 24))
