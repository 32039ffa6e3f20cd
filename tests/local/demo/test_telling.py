"""What happened is told once, in words and in the one object."""

import io
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from local.audit.model import Checks
from local.demo.report import as_object, exit_reasons, skip_reasons
from local.demo.show import LiveShow, PlainShow, choose
from local.demo.store import Story
from local.demo.story import Teller
from local.demo.summary import lines_of
from local.dispatcher.dispatcher import Failure, Tally

AT = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
CLEAN = Checks(0, 0, 0.07, Decimal("0.000"), Decimal("0.00"))
BROKEN = Checks(1, 2, 90.0, Decimal("0.5"), Decimal("1.25"), findings=("14:00:00 BTC: something",))


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
        "created_at": AT,
        "updated_at": AT,
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


def test_a_profit_that_is_not_known_is_called_unknown() -> None:
    lines = Teller().new_lines(story(positions=[position(**{**CLOSED, "realised_pnl_usd": None})]))

    assert "unknown PnL" in lines[-1].text


# ─── the object ───


def test_the_object_has_exactly_the_parts_that_are_promised() -> None:
    found = as_object(story(positions=[position(**CLOSED)]), CLEAN, 12.34)

    assert list(found) == ["posts", "calls", "signals", "orders", "fills", "positions", "checks", "elapsed_s"]
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
    checks = as_object(story(), CLEAN, 1)["checks"]

    assert checks == {
        "venue_fills_without_order": 0,
        "orders_with_more_than_one_fill_set": 0,
        "seconds_owned_without_venue_stop_max": 0.07,
        "ledger_vs_venue_position_mismatch": 0,
        "pnl_vs_venue_difference_usd": "0.00",
    }


def test_checks_that_are_not_say_by_how_much() -> None:
    checks = as_object(story(), BROKEN, 1)["checks"]

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
    assert "live: 2 positions, -20.12 USD realised; left open with their stops: LONG ETH" in text
    assert "paper: 1 positions" in text
    assert "1 runs failed and were repeated, the first: as asked" in text
    assert "BROKEN" not in text


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


def test_on_a_terminal_positions_are_drawn_with_their_profit_at_the_mark() -> None:
    stream = io.StringIO()

    with LiveShow(stream) as show:
        show.progress("starting")
        told = story(positions=[position(), position(**CLOSED), position(market="ETH", entry_price=None)])
        show.happened(Teller().new_lines(told), told, begin=AT, end=AT + timedelta(hours=1), busy=["tick"])
        screen = show._screen(told, AT, AT + timedelta(hours=1), ["tick"])
        show._console.width = 200
        show._console.print(screen)
        show.say("done")

    text = stream.getvalue()
    assert "+50.00" in text
    assert "-20.12" in text
    assert "live 10000.00 USD" in text
    assert "done" in text


def test_a_screen_without_a_snapshot_says_so() -> None:
    stream = io.StringIO()
    show = LiveShow(stream)

    show._console.print(show._screen(story(equity=[], marks={}), AT, AT + timedelta(hours=1), []))

    assert "not read yet" in stream.getvalue()
