"""`outcry redrive`: rows that were set aside are worked on again, and no others."""

from tests.cli.conftest import Outcry
from tests.orders.workshop import Workshop


def test_an_order_that_was_set_aside_is_executed_after_its_redrive(
    workshop: Workshop, outcry: Outcry
) -> None:
    order_id = workshop.plan_entry()
    workshop.executor.give_up(order_id, RuntimeError("poison"))

    answer = outcry("redrive", "orders", str(order_id), "--json")
    workshop.advance(order_id)

    assert answer.json["redriven"] == 1
    assert workshop.order(order_id)["status"] == "FILLED"


def test_a_row_that_was_not_set_aside_is_left_alone(workshop: Workshop, outcry: Outcry) -> None:
    order_id = workshop.enter()

    answer = outcry("redrive", "orders", str(order_id))

    assert answer.out.startswith("0 of 1 rows of orders")
    assert workshop.order(order_id)["status"] == "FILLED"


def test_an_unknown_table_or_a_wrong_id_is_refused_with_what_to_write(
    workshop: Workshop, outcry: Outcry
) -> None:
    wrong_table = outcry("redrive", "positions", "1")
    wrong_id = outcry("redrive", "orders", "seven")

    assert (wrong_table.code, wrong_id.code) == (2, 2)
    assert "use one of: posts, calls, orders, notices" in wrong_table.sentence
    assert "a UUID" in wrong_id.sentence
