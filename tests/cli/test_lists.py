"""`outcry positions`, `orders` and `signals`, over a ledger that traded on the local venue."""

from datetime import timedelta
from decimal import Decimal

import pytest

from outcry.orders.flatten import flatten_standing
from outcry.runtime.side import Side
from tests.cli.conftest import Outcry
from tests.orders.workshop import LIVE, PAPER_ACCOUNT, Workshop


def test_an_open_position_is_shown_with_its_profit_at_the_mark(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()
    workshop.mark("BTC", "60600")
    workshop.watch()

    answer = outcry("positions", "--json")

    (shown,) = answer.json["positions"]
    held = workshop.position()
    fees = sum(row["fee_usd"] for row in workshop.rows("select fee_usd from fills"))
    assert answer.code == 0
    assert (shown["account_id"], shown["market"], shown["side"]) == (LIVE, "BTC", "LONG")
    assert Decimal(shown["mark"]) == 60600
    assert shown["mark_is_stale"] is False
    assert Decimal(shown["pnl_now_usd"]) == (60600 - held["entry_price"]) * held["size"] - fees
    assert shown["is_protected"] is True
    assert shown["reason"] == "@caller: a call"


def test_a_short_that_falls_earns(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter(side=Side.SHORT)
    workshop.mark("BTC", "59600")
    workshop.watch()

    (shown,) = outcry("positions", "--json").json["positions"]

    assert shown["side"] == "SHORT"
    assert Decimal(shown["pnl_now_usd"]) > 0


def test_money_is_text_and_times_are_iso(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()
    workshop.watch()

    (shown,) = outcry("positions", "--json").json["positions"]

    assert all(
        isinstance(shown[name], str)
        for name in ("size", "entry_price", "mark", "pnl_now_usd", "stop_price", "fees_usd")
    )
    assert shown["opened_at"].endswith("+00:00")


def test_a_mark_older_than_thirty_seconds_gives_no_profit(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()
    workshop.watch()
    workshop.clock.advance(timedelta(seconds=31))

    (shown,) = outcry("positions", "--json").json["positions"]
    text = outcry("positions").out

    assert shown["mark_is_stale"] is True
    assert shown["pnl_now_usd"] is None
    assert "stale" in text
    assert "unknown" in text


def test_paper_positions_are_shown_at_the_live_marks(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter(deployment="runner-paper")
    workshop.mark("BTC", "60600")
    workshop.watch()

    (shown,) = outcry("positions", "--account", PAPER_ACCOUNT, "--json").json["positions"]

    assert shown["network"] == "paper"
    assert Decimal(shown["mark"]) == 60600


def test_a_position_without_a_stop_is_shown_as_not_protected(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()
    workshop.watch()
    with workshop.database.transaction() as tx:
        tx.execute("update positions set protected_at = null")

    answer = outcry("positions")

    assert "NOT" in answer.out
    assert "NOT PROTECTED: 1 position." in answer.out


def test_a_foreign_position_is_said_to_be_none_of_ours(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()
    workshop.watch()
    with workshop.database.transaction() as tx:
        tx.execute(
            """
            update positions set is_owned = false, deployment_id = null, origin = 'DISCOVERED', protected_at = null,
                   size = 2, entry_price = 59000
            """
        )
        tx.execute("update orders set signal_id = null")

    (shown,) = outcry("positions", "--json").json["positions"]
    text = outcry("positions").out

    fees = sum(row["fee_usd"] for row in workshop.rows("select fee_usd from fills"))
    assert Decimal(shown["pnl_now_usd"]) == (Decimal(shown["mark"]) - 59000) * 2 - fees
    assert shown["reason"] == "found at the venue, not opened by Outcry"
    assert "not ours" in text
    assert "NOT PROTECTED" not in text


def test_the_table_says_what_a_person_needs_at_night(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()
    workshop.watch()

    text = outcry("positions").out

    for column in (
        "account",
        "market",
        "side",
        "size",
        "entry",
        "mark",
        "PnL",
        "stop",
        "protected",
        "opened",
        "reason",
    ):
        assert column in text
    for cell in (LIVE, "BTC", "LONG", "protected", "60,000", "ago", "@caller: a call"):
        assert cell in text


def test_no_position_is_said_in_words(workshop: Workshop, outcry: Outcry) -> None:
    assert outcry("positions").out == "No position is held.\n"
    assert outcry("positions", "--json").json["positions"] == []


def test_orders_are_listed_newest_first_and_limited(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()
    workshop.clock.advance(timedelta(seconds=1))
    workshop.enter()

    found = outcry("orders", "--json").json["orders"]
    one = outcry("orders", "--limit", "1", "--json").json["orders"]

    assert [each["created_at"] for each in found] == sorted(
        (each["created_at"] for each in found), reverse=True
    )
    assert one == found[:1]
    assert one[0]["status"] == "SKIPPED"
    assert one[0]["reason_sentence"] == "A position or an order of ours is already in this place."


def test_open_orders_are_those_that_are_not_finished(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()

    found = outcry("orders", "--open", "--json").json["orders"]

    assert found
    assert {each["kind"] for each in found} == {"protect"}
    assert all(each["finished_at"] is None for each in found)


@pytest.mark.parametrize("option", ["--account", "--deployment"])
def test_orders_of_one_place_leave_the_others_out(workshop: Workshop, outcry: Outcry, option: str) -> None:
    workshop.enter()
    workshop.enter(deployment="runner-paper")
    name = PAPER_ACCOUNT if option == "--account" else "runner-paper"

    found = outcry("orders", option, name, "--json").json["orders"]
    text = outcry("orders", option, name).out

    assert found
    assert {each["account_id"] for each in found} == {PAPER_ACCOUNT}
    assert "runner-paper" in text
    assert "runner-live" not in text


def test_an_order_that_was_set_aside_says_so(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()
    with workshop.database.transaction() as tx:
        tx.execute("update orders set quarantined_at = :now", now=workshop.clock.now())

    assert "Set aside: it waits for a person." in outcry("orders").out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("positions", "--account", "nobody"),
            "account = 'nobody' cannot be used: use one of: live-1, paper-1",
        ),
        (("orders", "--account", "nobody"), "use one of: live-1, paper-1"),
        (("orders", "--deployment", "nothing"), "--deployment = 'nothing' cannot be used"),
        (("signals", "--agent", "nobody"), "--agent = 'nobody' cannot be used"),
    ],
)
def test_a_name_that_does_not_exist_is_no_empty_list(
    workshop: Workshop, outcry: Outcry, arguments: tuple[str, ...], says: str
) -> None:
    answer = outcry(*arguments)

    assert answer.code == 2
    assert says in answer.sentence


def test_signals_are_shown_with_the_sentence_of_their_reason(workshop: Workshop, outcry: Outcry) -> None:
    workshop.plan_entry()
    with workshop.database.transaction() as tx:
        tx.execute("update signals set score = 0.9")
    workshop.plan_entry(market="ETH")
    with workshop.database.transaction() as tx:
        tx.execute(
            "update signals set status = 'SKIPPED', reason = 'CALL_TOO_OLD', detail = '11 min' where token = 'ETH'"
        )

    skipped = outcry("signals", "--skipped", "--json").json["signals"]
    taken = outcry("signals", "--taken", "--json").json["signals"]
    text = outcry("signals", "--agent", "runner").out

    assert [each["reason_sentence"] for each in skipped] == ["The call is older than the agent acts on."]
    assert [(each["token"], each["score"]) for each in taken] == [("BTC", "0.9")]
    assert "The call is older than the agent acts on. 11 min" in text
    assert "+0.90" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("orders",), "No order was ever made.\n"),
        (("orders", "--open"), "No such order.\n"),
        (("signals",), "No signal was ever decided.\n"),
        (("signals", "--taken"), "No such signal.\n"),
    ],
)
def test_an_empty_list_is_said_in_words(outcry: Outcry, arguments: tuple[str, ...], says: str) -> None:
    assert outcry(*arguments).out == says


def test_an_exit_under_way_says_why_it_closes(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()
    outcry("flatten", "--reason", "out", "--yes")
    with workshop.database.transaction() as tx:
        flatten_standing(tx, now=workshop.clock.now())

    found = outcry("orders", "--open", "--json").json["orders"]

    assert [each["reason"] for each in found if each["kind"] == "exit"] == ["FLATTEN"]


def test_a_position_found_without_an_entry_price_has_no_profit(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()
    workshop.watch()
    with workshop.database.transaction() as tx:
        tx.execute("update positions set origin = 'DISCOVERED', size = 2, entry_price = null")

    (shown,) = outcry("positions", "--json").json["positions"]

    assert shown["pnl_now_usd"] is None


def test_an_entry_that_is_not_filled_yet_holds_nothing(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()
    with workshop.database.transaction() as tx:
        tx.execute(
            "update positions set size = 0, acked_size = 0, protected_at = null, opened_at = null, status = 'OPENING'"
        )

    text = outcry("positions").out

    assert "nothing held" in text
    assert "NOT PROTECTED" not in text
