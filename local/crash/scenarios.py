"""The scenarios: how the world gets to the moment before, what is done then under test, and what the end must be.

Each is a few lines that set up, a list of what is under test, and its end. What must hold at every end stands in `judging.always`.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from local.crash.aftermath import Aftermath
from local.crash.judging import Judge, closed_for, entered, flat, held, held_or_out
from local.crash.stage import ACCOUNT, MASTER, WORKING, Hands, Invocation, Person, Stage
from local.hyperliquid import in_process
from local.simulation.keys import KEY_ARN
from local.simulation.service import Environment
from outcry.controls import operate
from outcry.custody import keyring
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.queues import Queue
from outcry.venues.hyperliquid.venue import HyperliquidVenue

HOUR_S = 3605
SOON_OVER = timedelta(seconds=3)
_BUSY = '{"status":"err","response":"Only post-only orders allowed immediately after network upgrade"}'
_UNHEARD_OF = '{"status":"err","response":"The moon is in the wrong house"}'
PATIENCE_BEATS = 20  # for which people wait until they are told


class Do(StrEnum):
    """One thing that is done under test."""

    EXECUTE = "execute"  # the messages of entries and exits, those too that are due within half a minute
    WATCH = "watch"  # the next beat's pass of the monitor, with the minute's tick where one is due
    TICK = "tick"  # the minute's tick, at the next full minute
    GENERATE = "generate"  # the messages of calls
    TELL = "tell"  # the messages of notices
    PERSON = "person"  # what the scenario's person does


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. `person` is what Do.PERSON does; doing it again after it was half done must be harmless.

    `afterwards` is what the outside world does once the deaths are over. `switches` are the venue's. `leaves` names beginnings of
    complaints that belong to this end. `tells`: notices are delivered too.
    """

    name: str
    says: str
    before: Callable[[Stage], None]
    under_test: tuple[Do, ...]
    end: Judge
    person: Person | None = None
    afterwards: Callable[[Stage], None] | None = None
    switches: dict[str, Any] = field(default_factory=dict)
    leaves: tuple[str, ...] = ()
    tells: bool = False


# ─── moments before ──────────────────────────────────────────────────────────────────────────────────────────


def opened(stage: Stage) -> None:
    """The monitor has read what trades and at what price."""
    stage.world.invoke(stage.environment("tick"))
    stage.pump(Queue.TICKS_HYPERLIQUID)
    stage.beat()


def called(stage: Stage) -> None:
    """An entry is planned, and its doorbell waits."""
    opened(stage)
    stage.say("LONG BTC 60k, SL 58.9k")


def holding(stage: Stage) -> None:
    """A position is held and protected, and the monitor knows it."""
    called(stage)
    stage.settle()


def held_for_an_hour(stage: Stage) -> None:
    """A position is as old as its agent lets it become."""
    holding(stage)
    stage.wait(HOUR_S)
    stage.pump(Queue.TICKS_HYPERLIQUID)


def thin(stage: Stage) -> None:
    """There is less on offer than the entry asks for."""
    called(stage)
    stage.world.control("book", market="BTC", asks=[["60001", "0.01"]])


def bare(stage: Stage) -> None:
    """An entry was filled, and its stop refused for now: the stop's doorbell waits."""
    called(stage)
    _answers(stage, _BUSY, times=2, skip=1)
    stage.pump(*WORKING)


def grown(stage: Stage) -> None:
    """The feed lists one of an entry's two fills, the answer was lost: a stop rests over a part. Then the other fill is listed."""
    called(stage)
    stage.world.control("book", market="BTC", asks=[["60001", "0.01"], ["60002", "10"]])
    stage.world.control("fault", on="exchange", match={"type": "order"}, do="drop_after_commit", times=1)
    account = stage.world.engine.venue.ensure_account(MASTER)
    withheld: list[Any] = []

    def hold_back() -> None:
        while len(account.fills) > 1:
            withheld.append(account.fills.pop())

    stage.world.crew.hooks.append(lambda *_: hold_back())
    stage.pump(*WORKING)
    stage.wait(2)
    stage.pump(*WORKING)
    stage.world.crew.hooks.pop()
    account.fills.extend(reversed(withheld))


def ahead(stage: Stage) -> None:
    """The mark has run far enough for the trail to follow it."""
    holding(stage)
    stage.mark("61300")


def at_the_target(stage: Stage) -> None:
    """The venue has taken the first step of the profit."""
    holding(stage)
    stage.mark("61900")


def call_to_close(stage: Stage) -> None:
    """The author whose call is held takes it back."""
    holding(stage)
    stage.beat()
    stage.world.publish(1001, "Closing my BTC long here")
    stage.world.invoke(stage.environment("ingest_posts"))
    stage.pump(Queue.POSTS)


def call_for_the_opposite(stage: Stage) -> None:
    """The author whose call is held says the opposite."""
    holding(stage)
    stage.beat()
    stage.world.publish(1001, "SHORT BTC 60k, SL 61.2k")
    stage.world.invoke(stage.environment("ingest_posts"))
    stage.pump(Queue.POSTS)


def in_flight(stage: Stage) -> None:
    """An entry was filled, its answer lost and the order's status not told: nobody knows yet that something is held."""
    called(stage)
    stage.world.control("fault", on="exchange", match={"type": "order"}, do="drop_after_commit", times=1)
    stage.world.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=2)
    stage.pump(*WORKING)


def foreign(stage: Stage) -> None:
    """The account's owner buys by hand in a market that we do not hold."""
    opened(stage)
    stage.world.control("trade_by_hand", user=MASTER, coin="ETH", is_buy=True, sz="1")


def closed_by_hand(stage: Stage) -> None:
    """The account's owner closes our position at the venue."""
    holding(stage)
    size = str(stage.size())
    stage.world.control("trade_by_hand", user=MASTER, coin="BTC", is_buy=False, sz=size, reduce_only=True)


def revoked(stage: Stage) -> None:
    """The signer's approval is taken back at the venue, and an exit of its position is due."""
    held_for_an_hour(stage)
    signer = stage.world.rows("select address from signers where status = 'ACTIVE'")[0]["address"]
    stage.world.control("agent_revoke", agent=signer)
    stage.full_minute()
    stage.world.invoke(stage.environment("tick"))
    stage.pump(Queue.TICKS_HYPERLIQUID)


def refused(stage: Stage) -> None:
    """The venue will refuse the entry in words that nobody knows."""
    called(stage)
    _answers(stage, _UNHEARD_OF, times=1)


def crossed(stage: Stage) -> None:
    """The mark has fallen through a stop that does not rest yet."""
    bare(stage)
    stage.mark("58000")


def too_late(stage: Stage) -> None:
    """The venue will refuse a stop for longer than a position may stand without one."""
    called(stage)
    _answers(stage, _BUSY, times=24, skip=1)
    stage.pump(*WORKING)
    while stage.world.rows("select 1 from positions where protect_by > :soon", soon=stage.now + SOON_OVER):
        stage.wait(2)
        stage.pump(*WORKING)


def beyond_the_target(stage: Stage) -> None:
    """The mark is beyond a step of the profit that does not rest yet."""
    bare(stage)
    stage.mark("61900")


def dismissed(stage: Stage) -> None:
    """A person has stopped the signer for good, and an exit of its position is due."""
    held_for_an_hour(stage)
    with stage.world.database.transaction() as tx:
        for signer in keyring.signers_of(tx, ACCOUNT):
            keyring.revoke_signer(tx, signer.signer_id, now=stage.now)
    stage.full_minute()
    stage.world.invoke(stage.environment("tick"))
    stage.pump(Queue.TICKS_HYPERLIQUID)


def frozen(stage: Stage) -> None:
    """Not one mark of the venue moves any more."""
    holding(stage)
    stage.stands_still = True
    for _ in range(3):
        stage.beat()


def unreadable(stage: Stage) -> None:
    """The venue answers about the account what nobody knows."""
    holding(stage)
    kind = {"type": "clearinghouseState"}
    stage.world.control("fault", on="info", match=kind, do="status", status=200, body='{"a": 1}', times=6)


def _answers(stage: Stage, body: str, *, times: int, skip: int = 0) -> None:
    """The venue answers orders with this, so many times, after it let some pass."""
    stage.world.control(
        "fault",
        on="exchange",
        match={"type": "order"},
        do="status",
        status=200,
        body=body,
        skip=skip,
        times=times,
    )


def moves_again(stage: Stage) -> None:
    """The marks move again."""
    stage.stands_still = False


def poisoned(stage: Stage) -> None:
    """An entry cannot be worked on at all, and its message comes for the last time."""
    called(stage)
    with stage.world.database.transaction() as tx:
        tx.execute("update orders set plan = '{}' where kind = 'enter'")
    for _ in range(3):
        letter = stage.next_letter((Queue.ENTRIES,))
        assert letter is not None
        stage.deliver(letter, stage.environment("execute_orders"))
        stage.wait(181)


def told(stage: Stage) -> None:
    """People have to be told something."""
    opened(stage)
    with stage.world.database.transaction() as tx:
        operate.pause(tx, "desk", "a look", "tester", stage.now)


# ─── what people do ──────────────────────────────────────────────────────────────────────────────────────────


def flattens(hands: Hands) -> None:
    """A person closes everything."""
    with hands.database.transaction() as tx:
        operate.flatten(tx, "desk", "out of everything", "tester", hands.clock.now())


def changes_signer(hands: Hands) -> None:
    """A person makes a signer in the second slot, approves it at the venue and lets it sign; what is done already is left."""
    database, clock = hands.database, hands.clock
    with contextlib.suppress(ConfigurationError):  # the slot is taken: by what was made before
        keyring.create_signer(database, hands.kms, ACCOUNT, 2, key_arn=KEY_ARN, clock=clock)
    with database.transaction() as tx:
        made = [each for each in keyring.signers_of(tx, ACCOUNT) if each.slot == 2][-1]
    hands.approve(made.address)
    if made.status.value == "CREATED":
        venue = HyperliquidVenue("local", in_process.URL, clock, session=in_process.session(hands.engine))
        keyring.activate_as_confirmed(database, venue, made.signer_id, master=MASTER, now=clock.now())


def new_signer(stage: Stage) -> None:
    """A person is told, and gives the account another signer."""
    for _ in range(PATIENCE_BEATS):
        if "signers" in stage.aftermath().topics():
            break
        stage.beat()
    stage.run(*by_hand(stage))


def by_hand(stage: Stage) -> tuple[Invocation, Environment]:
    """A person who changes the signer."""
    invocation = Invocation("person", does=changes_signer)
    return invocation, stage.cold(invocation)


def trades_with_it(stage: Stage) -> None:
    """The next call is traded."""
    stage.settle()
    stage.run(*by_hand(stage))
    stage.beat()
    stage.say("LONG BTC 60k, SL 58.9k")


# ─── ends ────────────────────────────────────────────────────────────────────────────────────────────────────


def all_of(*judges: Judge) -> Judge:
    """Every complaint of these."""
    return lambda after: [complaint for judge in judges for complaint in judge(after)]


def _closed_by(*reasons: str) -> Judge:
    return all_of(entered, flat, lambda after: closed_for(after, *reasons))


def _at_most(size: Decimal) -> Judge:
    return lambda after: [] if after.size() in (0, size) else [f"{after.size()} BTC are held, not {size}"]


def _stop_moved(after: Aftermath) -> list[str]:
    stops = [one.trigger_price for one in after.resting() if one.is_stop]
    return [] if stops and min(stops) > 60000 else [f"the stop did not follow: {stops}"]


def _one_step_taken(after: Aftermath) -> list[str]:
    (position,) = after.owned()
    wrong = []
    if position["targets_hit"] != 1:
        wrong.append(f"{position['targets_hit']} targets were hit, not 1")
    if after.size() * 2 - position["opened_size"] > Decimal("0.0001"):
        wrong.append(f"{after.size()} of {position['opened_size']} is left")
    return wrong


def _opposite_refused(after: Aftermath) -> list[str]:
    said = [o["reason"] for o in after.order("enter") if o["side"] == "SHORT"]
    fine = all(reason in ("OPPOSITE_POSITION", "PLACE_TAKEN") for reason in said)
    return [] if fine else [f"the opposite entry ended for {said}"]


def _only_observed(after: Aftermath) -> list[str]:
    found = [p for p in after.positions if p["origin"] == "DISCOVERED"]
    wrong = [] if after.size("ETH") == 1 else [f"the owner's ETH became {after.size('ETH')}"]
    if len(found) != 1 or found[0]["status"] != "OPEN" or found[0]["is_owned"] or found[0]["size"] != 1:
        wrong.append(f"{len(found)} discovered positions: {[(p['status'], p['size']) for p in found]}")
    if after.orders:
        wrong.append("something of the owner's was traded")
    return wrong if "reconcile" in after.topics() else [*wrong, "nobody was told"]


def _came_to_nothing(after: Aftermath) -> list[str]:
    said = [order["status"] for order in after.order("enter")]
    return [] if said == ["REJECTED"] and not after.of("fill") else [f"the entry is {said}"]


def _profit_is_known(after: Aftermath) -> list[str]:
    return [] if after.owned()[-1]["realised_pnl_usd"] is not None else ["the profit is unknown"]


def _paged(topic: str) -> Judge:
    return lambda after: [] if topic in after.topics() else [f"nobody was told of {topic}"]


def _second_signer_signs(after: Aftermath) -> list[str]:
    active = [s for s in after.signers if s["status"] == "ACTIVE"]
    in_slot = [s for s in after.signers if s["slot"] == 2 and s["status"] != "REVOKED"]
    if len(active) != 1 or active[0]["slot"] != 2 or len(in_slot) != 1:
        return [f"signers: {[(s['slot'], s['status']) for s in after.signers]}"]
    by = {a["signer_address"] for a in after.actions if a["kind"] == "place"}
    return [] if by == {active[0]["address"]} else ["another signer signed"]


def _set_aside(after: Aftermath) -> list[str]:
    (entry,) = after.order("enter")
    wrong = [] if entry["quarantined_at"] is not None else ["it was not set aside"]
    return wrong + ([] if not after.of("fill") else ["it was traded"])


def _all_told(after: Aftermath) -> list[str]:
    untold = [n["subject"] for n in after.notices if n["told_at"] is None]
    return [f"never told: {subject}" for subject in untold]


# ─── the list ────────────────────────────────────────────────────────────────────────────────────────────────

E, W, T, G, P = Do.EXECUTE, Do.WATCH, Do.TICK, Do.GENERATE, Do.PERSON

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("entry", "a call becomes a protected position", called, (E,), all_of(entered, held_or_out)),
    Scenario(
        "partial",
        "an entry finds less than it asked for",
        thin,
        (E,),
        all_of(entered, held_or_out, _at_most(Decimal("0.01"))),
    ),
    Scenario(
        "protect", "a stop that was refused for now is placed", bare, (E, E), all_of(entered, held_or_out)
    ),
    Scenario(
        "grown", "a position grows after its first stop", grown, (W, E, W, E, E), all_of(entered, held_or_out)
    ),
    Scenario("ratchet", "the stop follows the price", ahead, (W, E), all_of(entered, held, _stop_moved)),
    Scenario(
        "target",
        "a step of the profit is taken",
        at_the_target,
        (W, E),
        all_of(entered, held, _one_step_taken),
    ),
    Scenario(
        "rule", "a position is too old and is closed", held_for_an_hour, (W, E), _closed_by("TIME_LIMIT")
    ),
    Scenario(
        "person", "a person closes everything", holding, (P, T, E), _closed_by("FLATTEN"), person=flattens
    ),
    Scenario("call", "the author closes the call", call_to_close, (G, E), _closed_by("CLOSE_CALL")),
    Scenario(
        "flatten",
        "a flatten meets an entry in flight",
        in_flight,
        (P, T, E, E),
        _closed_by("FLATTEN"),
        person=flattens,
    ),
    Scenario(
        "opposite",
        "the author calls the other side of what is held",
        call_for_the_opposite,
        (G, E),
        all_of(entered, held, _opposite_refused),
    ),
    Scenario("adopt", "the owner's own position is found", foreign, (W, W, W), _only_observed),
    Scenario(
        "reconcile",
        "the owner closes our position at the venue",
        closed_by_hand,
        (W, E),
        all_of(_closed_by("CLOSED_ELSEWHERE"), _profit_is_known),
    ),
    Scenario(
        "revoke",
        "the signer is revoked while an exit is due",
        revoked,
        (E,),
        all_of(_closed_by("TIME_LIMIT"), _paged("signers")),
        afterwards=new_signer,
    ),
    Scenario(
        "signer",
        "an account's signer is changed for another",
        opened,
        (P,),
        all_of(entered, held, _second_signer_signs),
        person=changes_signer,
        afterwards=trades_with_it,
    ),
    Scenario(
        "poison",
        "an entry that nobody can work on is set aside",
        poisoned,
        (E,),
        all_of(_set_aside, _paged("quarantine")),
        leaves=("left over: enter entry is set aside", "dead letter: entries"),
    ),
    Scenario(
        "refused",
        "an entry is refused in words that nobody knows",
        refused,
        (E,),
        all_of(flat, _came_to_nothing, _paged("orders")),
    ),
    Scenario(
        "crossed",
        "a stop is crossed before it rests",
        crossed,
        (E,),
        all_of(_closed_by("STOP_LOSS", "UNPROTECTED")),
    ),
    Scenario(
        "overdue",
        "a stop is refused for longer than a position may wait",
        too_late,
        (E, E),
        all_of(_closed_by("UNPROTECTED"), _paged("protection")),
    ),
    Scenario(
        "beyond",
        "a step of the profit is crossed before it rests",
        beyond_the_target,
        (E, E),
        all_of(entered, held_or_out),
    ),
    Scenario(
        "dismissed",
        "an exit is due and no signer is left",
        dismissed,
        (E,),
        all_of(_closed_by("TIME_LIMIT"), _paged("signers")),
        afterwards=new_signer,
    ),
    Scenario(
        "frozen", "the marks stand still", frozen, (W,), all_of(held, _paged("marks")), afterwards=moves_again
    ),
    Scenario("unreadable", "an account cannot be read", unreadable, (W,), all_of(held, _paged("reconcile"))),
    Scenario("notice", "people are told", told, (T, Do.TELL), _all_told, tells=True),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
