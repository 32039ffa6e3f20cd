"""What arrives at the venue later than we waited for it: nothing runs that was given up, and nothing is sent too late."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outcry.orders.plan import plan_cancel
from outcry.positions import store as positions_store
from outcry.runtime.reasons import Reason
from outcry.venues.port import Answer, NotSent, TriggerKind
from tests.orders.test_resolve import entries_at_venue, pass_seconds, requests
from tests.orders.workshop import MASTER, PAPER_ACCOUNT, Workshop

ORDER, LEVERAGE, NOOP = {"type": "order"}, {"type": "updateLeverage"}, {"type": "noop"}
CANCEL = {"type": "cancelByCloid"}


def arrive_later(workshop: Workshop, match: dict[str, str], seconds: float) -> None:
    workshop.control("fault", on="exchange", match=match, do="commit_later", ms=int(seconds * 1000), times=1)


@pytest.mark.parametrize("after_s", [3, 9, 14, 20, 40])
def test_an_entry_that_arrives_late_fills_once_or_never(workshop: Workshop, after_s: int) -> None:
    arrive_later(workshop, ORDER, after_s)
    workshop.control("fault", on="exchange", match=ORDER, do="drop_before_commit", times=6)

    order_id = workshop.enter()
    pass_seconds(workshop, order_id, 60, step=3)
    workshop.drain()

    sent = requests(workshop, order_id)
    assert entries_at_venue(workshop) == 1
    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["size"] == workshop.venue_size() > 0
    assert [row["status"] for row in sent].count("ACKED") == 1


@pytest.mark.parametrize("after_s", [5, 30])
def test_leverage_that_arrives_late_leaves_the_entry_one_fill(workshop: Workshop, after_s: int) -> None:
    arrive_later(workshop, LEVERAGE, after_s)

    order_id = workshop.enter()
    pass_seconds(workshop, order_id, 40, step=3)
    workshop.drain()

    assert entries_at_venue(workshop) == 1
    assert workshop.order(order_id)["status"] == "FILLED"


@pytest.mark.parametrize("after_s", [4, 30])
def test_a_no_op_that_arrives_late_kills_nothing_that_came_after_it(workshop: Workshop, after_s: int) -> None:
    workshop.control("fault", on="exchange", match=ORDER, do="drop_before_commit", times=2)
    arrive_later(workshop, NOOP, after_s)

    order_id = workshop.enter()
    pass_seconds(workshop, order_id, 60, step=3)
    workshop.drain()

    assert entries_at_venue(workshop) == 1
    assert workshop.order(order_id)["status"] == "FILLED"


@pytest.mark.parametrize("fault", ["drop_after_commit", "drop_before_commit"])
def test_a_cancel_whose_reply_is_lost_takes_its_target_off_once(workshop: Workshop, fault: str) -> None:
    workshop.enter()
    (step,) = workshop.rows("select order_id from orders where leg = 'tp1'")
    (placed,) = workshop.rows("select cloid from actions where order_id = :id", id=step["order_id"])
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id, lock=True)
        assert position is not None
        cancel = plan_cancel(
            tx,
            position,
            step["order_id"],
            cloid=placed["cloid"],
            now=workshop.clock.now(),
            trace_id="t",
            reason=Reason.NO_LONGER_NEEDED,
        )
    assert cancel is not None
    workshop.control("fault", on="exchange", match=CANCEL, do=fault, times=1)

    workshop.advance(cancel)
    workshop.drain()

    kinds = [order.trigger.kind for order in workshop.venue.open_orders(MASTER) if order.trigger]
    assert kinds == [TriggerKind.STOP]
    assert workshop.order(cancel)["finished_at"] is not None
    assert workshop.order(step["order_id"])["status"] == "CANCELLED"


def no_connection(workshop: Workshop, monkeypatch: pytest.MonkeyPatch, deployment: str) -> UUID:
    """An entry good for five seconds, whose bytes find no connection for now."""
    venue: Any = workshop.paper if deployment == "runner-paper" else workshop.venue
    send = venue.send

    def refused(signed: str, *, address: str) -> Any:
        is_order = '"order' in signed and '"type":"order"' in signed.replace(" ", "")
        return Answer(NotSent("refused"), None) if is_order else send(signed, address=address)

    with monkeypatch.context() as patch:
        patch.setattr(venue, "send", refused)
        return workshop.enter(deployment=deployment, good_for=timedelta(seconds=5))


@pytest.mark.parametrize("deployment", ["runner-live", "runner-paper"])
def test_an_entry_whose_time_passes_while_it_waits_is_never_sent(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, deployment: str
) -> None:
    order_id = no_connection(workshop, monkeypatch, deployment)
    kept = requests(workshop, order_id)[0]["status"]
    workshop.bells.rung.clear()
    workshop.clock.advance(timedelta(seconds=6))

    workshop.advance(order_id)
    workshop.drain()

    account = PAPER_ACCOUNT if deployment == "runner-paper" else "live-1"
    assert kept == "SIGNED"
    assert (workshop.order(order_id)["status"], workshop.order(order_id)["reason"]) == (
        "EXPIRED",
        "ENTRY_TOO_LATE",
    )
    assert workshop.position(account=account)["status"] == "ABANDONED"
    assert workshop.position(account=account)["size"] == Decimal(0)
    assert not workshop.venue_fills()
