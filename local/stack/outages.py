"""What breaks at night, done to the deployed stack on purpose: the database gone, the venue silent, messages that nobody can read.

Promises: each outage lasts as long as it says, in real time, with positions open and a post coming in; afterwards the ledger is
held against the venue's journal, fills are counted, and everything that was set aside is looked at. For these phases alone the
queues' visibility timeouts are lowered, so that four deliveries take seconds and not hours; nothing else of the stack is changed.

What the local AWS cannot show is not tried here: throttling, a region's failure, a queue's real age.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from local.stack import store, texts, trading
from local.stack.deployed import Deployed, audit_facts
from local.stack.report import expect, wait_for
from local.stack.sam import STACK
from local.stack.watch import DepthWatch, judge

QUEUES = {
    "PostsQueue": "PostsDeadQueue",
    "CallsQueue": "CallsDeadQueue",
    "EntriesQueue": "EntriesDeadQueue",
    "ExitsQueue": "ExitsDeadQueue",
    "NoticesQueue": "NoticesDeadQueue",
}
TICKS = "TicksHyperliquidQueue"
OUTAGE_S = 60.0
_VISIBILITY_S = 5
# CloudWatch looks at older minutes before it takes a missing one for a breach: five of them in all
_SILENCE_S = 330.0
_THROUGH_THE_STOP = {"ETH": Decimal(2_935), "AVAX": Decimal("29.35")}  # their authors stated 2,940 and 29.4
_ALARMS_AFTER_S = 70.0  # the last minute is complete by then
_SETTLED_WITHIN_S = 240.0
_POISON = {"id": "poison", "ring": 0, "trace_id": "0" * 32}


# What these outages must raise, each with its cause. Anything else that fires fails the run, as does one of these that stays silent.
MUST_FIRE = {
    "PostsDead": "a poisoned message",
    "CallsDead": "a poisoned message",
    "EntriesDead": "a poisoned message",
    "ExitsDead": "a poisoned message",
    "NoticesDead": "a poisoned message",
    "MessagesFail": "every message fails while the database is gone",
    "TickSilent": "its schedule was switched off",
    "MonitorSilent": "nothing rang it while the tick was switched off",
    "IngestSilent": "the tick, which tells how old its beat is, was switched off",
}
# What may fire or not, as the outage happens to lie within the minute.
MAY_FIRE = {
    "TickFails": "a minute's tick falls into an outage",
    "IngestPostsFails": "a minute's reading falls into the database's outage",
    "VenueUnreachable": "reads fail while the venue is silent",
    "VenueAmbiguous": "a request's answer never comes while the venue is silent",
    "OrderUnknown": "a request was sent as the venue fell silent",
    "PageTold": "people are paged about what could not be read",
    "ConnectionsHigh": "both schemas' functions are connected after an update",
}


def chaos(stack: Deployed) -> None:
    """All of it, one after another, and the alarms that it should have raised since it began.

    They are judged from the deployment on, so that each is in the state that it would be in when the first outage begins.
    """
    since = datetime.now(UTC)
    watch = DepthWatch(stack, QUEUES.values())
    with watch.running():
        lose_database(stack)
        lose_venue(stack)
        poison(stack)
        lose_tick(stack)
        time.sleep(_ALARMS_AFTER_S)
    with stack.report.step("the alarms of the deployed stack, judged by their own rules") as facts:
        found = judge(stack, watch.points, stack.began)
        fired = {
            verdict.alarm.name: times
            for verdict in found
            if (times := [at for at in verdict.fired_at if at > since])
        }
        for name, times in fired.items():
            why = MUST_FIRE.get(name) or MAY_FIRE.get(name) or "NOT EXPECTED"
            stack.report.say(f"fired  {name} at {', '.join(f'{at:%H:%M:%S}' for at in times)}: {why}")
        facts["fired"] = len(fired)
        facts["silent"] = sum(verdict.changes is not None for verdict in found) - len(fired)
        facts["no_data_here"] = sum(1 for verdict in found if verdict.changes is None)
        missing = sorted(MUST_FIRE.keys() - fired.keys())
        expect(not missing, f"these alarms should have fired: {', '.join(missing)}")
        stray = sorted(fired.keys() - MUST_FIRE.keys() - MAY_FIRE.keys())
        expect(not stray, f"these alarms fired and should not have: {', '.join(stray)}")


def lose_database(stack: Deployed) -> None:
    """Kill Postgres for a minute with positions open, a post coming in, and a doubled doorbell for a row of each stage.

    Meanwhile a market falls through a stop: the venue closes that position alone, and the book learns of it afterwards.
    """
    before = _fills(stack)
    with short_visibility(stack), stack.report.step(f"the database is killed for {OUTAGE_S:.0f} s") as facts:
        doorbells = _doorbells(stack)
        stack.rig.kill_database()
        stack.market.post(texts.LONG_AVAX)
        stack.market.mark("ETH", _THROUGH_THE_STOP["ETH"])
        for queue, row in doorbells.items():
            _send(stack, queue, {"id": row, "ring": 0, "trace_id": "0" * 32})
        time.sleep(OUTAGE_S)
        facts["dead_letters"] = {queue: _depth(stack, dead) for queue, dead in QUEUES.items()}
        stack.rig.start_database()
        back = time.monotonic()
        trading.wait_protected(stack, "AVAX", _SETTLED_WITHIN_S)
        facts["post_protected_after_s"] = round(time.monotonic() - back, 1)
        closed = trading.wait_closed(stack, "ETH", _SETTLED_WITHIN_S)
        facts["ETH_closed_by"] = closed["exit_reason"]
        expect(closed["exit_reason"] == "STOP_LOSS", f"ETH was closed by {closed['exit_reason']}")
    _settle(stack, "the audit after the database came back")
    with stack.report.step("dead letters are redriven") as facts:
        expect(any(_depth(stack, dead) for dead in QUEUES.values()), "no message reached a dead-letter queue")
        facts["moved"] = {queue: redrive(stack, dead) for queue, dead in QUEUES.items()}
        facts["fills_since"] = _fills(stack) - before
        expect(
            facts["fills_since"] == 2, f"{facts['fills_since']} fills where one post and one stop make two"
        )
    _settle(stack, "the audit after the redrive")


def lose_venue(stack: Deployed) -> None:
    """Stop the venue for a minute where it stands, with positions open and a post coming in."""
    with stack.report.step(f"the venue is silent for {OUTAGE_S:.0f} s") as facts:
        stack.rig.stop_venue()
        stack.market.post(texts.LONG_LINK)
        time.sleep(OUTAGE_S)
        stack.rig.go_on_venue()
        back = time.monotonic()
        facts["LINK"] = wait_for(
            "the entry in LINK settled", lambda: _settled(stack, "LINK"), _SETTLED_WITHIN_S
        )
        facts["settled_after_s"] = round(time.monotonic() - back, 1)
    _settle(stack, "the audit after the venue went on")


def poison(stack: Deployed) -> None:
    """One message in each queue that no function can work on; the others' work goes on beside it."""
    before = _fills(stack)
    with short_visibility(stack), stack.report.step("one poisoned message in each queue") as facts:
        for queue in QUEUES:
            _send(stack, queue, _POISON)
        _send(stack, TICKS, _POISON)
        stack.market.post(texts.CLOSE_SOL)
        trading.wait_closed(stack, "SOL")
        wait_for("the poison of each queue in its dead-letter queue", lambda: _all_dead(stack), 120.0)
        facts["dead_letters"] = {queue: _depth(stack, dead) for queue, dead in QUEUES.items()}
        expect(set(facts["dead_letters"].values()) == {1}, f"one each, not {facts['dead_letters']}")
        facts["fills_since"] = _fills(stack) - before
        expect(facts["fills_since"] == 1, f"{facts['fills_since']} fills where closing SOL makes one")
        with stack.reading() as tx:
            facts["set_aside"] = store.quarantined(tx)
        expect(not any(facts["set_aside"].values()), f"rows were set aside: {facts['set_aside']}")
    _settle(stack, "the audit after the poison")


def lose_tick(stack: Deployed) -> None:
    """Switch the minute's schedule off, so that nothing is watched, while a market falls through a stop at the venue."""
    before = _fills(stack)
    with stack.report.step(f"the minute's tick is switched off for {_SILENCE_S:.0f} s") as facts:
        _switch_tick(stack, "DISABLED")
        try:
            time.sleep(_SILENCE_S / 2)  # what was rung before is long done by then
            stack.market.mark("AVAX", _THROUGH_THE_STOP["AVAX"])
            time.sleep(_SILENCE_S / 2)
            with stack.reading() as tx:
                unseen = store.newest_position(tx, market="AVAX")
            expect(unseen is not None and unseen["status"] == "OPEN", f"somebody watched: AVAX is {unseen}")
        finally:
            _switch_tick(stack, "ENABLED")
        closed = trading.wait_closed(stack, "AVAX", _SETTLED_WITHIN_S)
        facts["AVAX_closed_by"] = closed["exit_reason"]
        expect(closed["exit_reason"] == "STOP_LOSS", f"AVAX was closed by {closed['exit_reason']}")
        facts["fills_since"] = _fills(stack) - before
        expect(facts["fills_since"] == 1, f"{facts['fills_since']} fills where one stop makes one")
    _settle(stack, "the audit after the silence")


def _switch_tick(stack: Deployed, state: str) -> None:
    scheduler = stack.rig.client("scheduler")
    name = f"{STACK}-tick"
    found = scheduler.get_schedule(Name=name)
    kept = {field: found[field] for field in ("ScheduleExpression", "FlexibleTimeWindow", "Target")}
    scheduler.update_schedule(Name=name, State=state, **kept)
    found = scheduler.get_schedule(Name=name)
    expect(found["State"] == state, f"the schedule {name} is {found['State']} and should be {state}")


def redrive(stack: Deployed, dead: str, within_s: float = 90.0) -> int:
    """Move what is in a dead-letter queue back to where it came from, and wait until it was worked on. How many there were.

    One message after another, as a person without StartMessageMoveTask would: the local AWS does not have it.
    """
    sqs = stack.rig.client("sqs")
    source = {value: key for key, value in QUEUES.items()}[dead]
    urls = {name: stack.physical_id(name) for name in (dead, source)}
    count = 0
    while messages := sqs.receive_message(QueueUrl=urls[dead], MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            sqs.send_message(QueueUrl=urls[source], MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=urls[dead], ReceiptHandle=message["ReceiptHandle"])
            count += 1
    wait_for(f"an empty {source}", lambda: _waiting(stack, source) == 0, within_s)
    return count


@contextmanager
def short_visibility(stack: Deployed) -> Iterator[None]:
    """Let a message that failed come again after seconds, for as long as the block runs."""
    sqs = stack.rig.client("sqs")
    kept = {queue: _attributes(stack, queue, "VisibilityTimeout")["VisibilityTimeout"] for queue in QUEUES}
    for queue in QUEUES:
        _set_visibility(stack, sqs, queue, str(_VISIBILITY_S))
    try:
        yield
    finally:
        for queue, seconds in kept.items():
            _set_visibility(stack, sqs, queue, seconds)


def _set_visibility(stack: Deployed, sqs: Any, queue: str, seconds: str) -> None:
    sqs.set_queue_attributes(QueueUrl=stack.physical_id(queue), Attributes={"VisibilityTimeout": seconds})


def _settle(stack: Deployed, name: str) -> None:
    with stack.report.step(name) as facts:
        wait_for("no order on its way", lambda: _open_orders(stack) == 0, _SETTLED_WITHIN_S)
        facts |= audit_facts(stack.audit())


def _settled(stack: Deployed, market: str) -> str | None:
    """What became of the live entry in a market: PROTECTED, or the order's final status with its reason."""
    with stack.reading() as tx:
        position = store.newest_position(tx, market=market)
        order = store.newest_entry(tx, market=market)
    if position is not None and position["status"] == "OPEN" and position["protected_at"] is not None:
        return "PROTECTED"
    if order is not None and order["finished_at"] is not None and order["status"] != "FILLED":
        return f"{order['status']} {order['reason'] or ''}".strip()
    return None


def _all_dead(stack: Deployed) -> bool:
    return all(_depth(stack, dead) for dead in QUEUES.values())


def _doorbells(stack: Deployed) -> Mapping[str, str]:
    """A row of each stage that was worked on long ago."""
    with stack.reading() as tx:
        return store.oldest_ids(tx)


def _open_orders(stack: Deployed) -> int:
    with stack.reading() as tx:
        return store.open_orders(tx)


def _fills(stack: Deployed) -> int:
    with stack.reading() as tx:
        return store.live_fills(tx)


def _send(stack: Deployed, queue: str, body: Mapping[str, Any]) -> None:
    stack.rig.client("sqs").send_message(QueueUrl=stack.physical_id(queue), MessageBody=json.dumps(body))


def _attributes(stack: Deployed, queue: str, *names: str) -> dict[str, str]:
    found: dict[str, str] = stack.rig.client("sqs").get_queue_attributes(
        QueueUrl=stack.physical_id(queue), AttributeNames=list(names)
    )["Attributes"]
    return found


def _depth(stack: Deployed, queue: str) -> int:
    """How many messages can be received from a queue now."""
    return int(_attributes(stack, queue, "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"])


def _waiting(stack: Deployed, queue: str) -> int:
    """How many messages a queue holds, those that are being worked on included."""
    found = _attributes(stack, queue, "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    return sum(int(value) for value in found.values())
