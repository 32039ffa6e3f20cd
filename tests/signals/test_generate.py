"""One call through the stage, on a real Postgres: claims, signals, plans, rings, and what may happen twice."""

import json
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from outcry.agents import roster
from outcry.agents.desk import parse_desk
from outcry.agents.model import Deployment, Desk
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Address, Database, Transaction
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.leases import CALLS, quarantine
from outcry.runtime.queues import Queue, Ring
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.signals.generate import Generated, SignalGenerator
from outcry.signals.model import EntryPlan
from outcry.signals.planner import Planned

LASTING = timedelta(seconds=60)


@dataclass
class Ledger:
    """A planner that keeps plans in memory, one per signal and deployment, as the ledger's unique key does."""

    entries: dict[tuple[int, str], EntryPlan] = field(default_factory=dict)
    exits: list[dict[str, Any]] = field(default_factory=list)
    holding: set[str] = field(default_factory=set)
    keeps: set[str] = field(default_factory=set)
    fails: bool = False

    def plan_entry(
        self, tx: Transaction, plan: EntryPlan, deployment: Deployment, *, now: datetime, trace_id: str
    ) -> Planned | None:
        if self.fails:
            raise InfrastructureError("the ledger is away")
        assert plan.signal_id is not None
        key = (plan.signal_id, deployment.deployment_id)
        if key in self.entries:
            return None
        self.entries[key] = plan
        return Planned(uuid4(), is_exit=False)

    def plan_exit_on_call(
        self,
        tx: Transaction,
        *,
        agent_id: str,
        author_id: int,
        market: str,
        side: Side,
        now: datetime,
        trace_id: str,
    ) -> tuple[list[Planned], Reason | None]:
        if agent_id in self.keeps:
            return [], Reason.CLOSE_CALLS_IGNORED
        if agent_id not in self.holding:
            return [], Reason.NOTHING_TO_CLOSE
        self.exits.append({"agent_id": agent_id, "author_id": author_id, "market": market, "side": side})
        return [Planned(uuid4(), is_exit=True)], None

    def planned_for(self) -> list[str]:
        return sorted(deployment for _, deployment in self.entries)


@dataclass
class Bell:
    """A doorbell that remembers who was rung, and checks that nothing was held open meanwhile."""

    rung: list[tuple[Queue, Ring]] = field(default_factory=list)

    def ring(self, queue: Queue, rings: Iterable[Ring], *, delay_s: int = 0) -> None:
        self.rung += [(queue, ring) for ring in rings]


@dataclass
class Stage:
    """The use case on a database with the sample desk, two markets and fresh marks on both venues."""

    database: Database
    clock: FixedClock
    desk: Desk
    ledger: Ledger
    bell: Bell
    posts: int = 1000

    @property
    def generator(self) -> SignalGenerator:
        return SignalGenerator(
            self.database, self.clock, self.ledger, self.bell, new_token=uuid4, lasting=LASTING
        )

    def author(self, username: str) -> int:
        return next(each.author_id for each in self.desk.authors if each.username == username)

    def mark(self, market: str, price: str, *, venue: str = "hyperliquid", network: str = "local") -> None:
        with self.database.transaction() as tx:
            tx.execute(
                """
                insert into marks (venue, network, market, mark, read_at, beat_at)
                values (:venue, :network, :market, cast(:price as numeric), :now, :now)
                on conflict (venue, network, market) do update set mark = excluded.mark, read_at = excluded.read_at
                """,
                venue=venue,
                network=network,
                market=market,
                price=price,
                now=self.clock.now(),
            )

    def mark_everywhere(self) -> None:
        for venue, network in (("hyperliquid", "local"), ("paper", "paper")):
            self.mark("BTC", "60000", venue=venue, network=network)
            self.mark("kPEPE", "0.0105", venue=venue, network=network)

    def say(
        self, username: str, token: str = "BTC", side: str = "LONG", action: str = "OPEN", **fields: Any
    ) -> int:
        """A post with one call, spoken and heard now."""
        self.posts += 1
        told: dict[str, Any] = {
            "conviction": "0.8",
            "stop": None,
            "targets": [],
            "age": timedelta(0),
            **fields,
        }
        with self.database.transaction() as tx:
            tx.execute(
                """
                insert into posts (post_id, edit_id, author_id, text, kind, created_at, received_at, source, raw, status,
                                   trace_id)
                values (:post_id, :post_id, :author_id, 'text', 'original', :created_at, :now, 'poll', '{}', 'CLASSIFIED',
                        'trace')
                """,
                post_id=self.posts,
                author_id=self.author(username),
                created_at=self.clock.now() - told["age"],
                now=self.clock.now(),
            )
            row = tx.one(
                """
                insert into calls (post_id, author_id, token, token_as_written, side, action, conviction, stop, targets,
                                   evidence, classifier, heard_at, trace_id, next_ring_at)
                values (:post_id, :author_id, :token, :token, cast(:side as side), :action, cast(:conviction as numeric),
                        cast(:stop as numeric), cast(:targets as numeric[]), 'words', 'grammar', :now, 'trace', :now)
                returning call_id
                """,
                post_id=self.posts,
                author_id=self.author(username),
                token=token,
                side=side,
                action=action,
                conviction=told["conviction"],
                stop=told["stop"],
                targets=told["targets"],
                now=self.clock.now(),
            )
        assert row is not None
        return int(row["call_id"])

    def signals(self, call_id: int) -> dict[str, dict[str, Any]]:
        with self.database.transaction() as tx:
            rows = tx.all("select * from signals where call_id = :call_id order by agent_id", call_id=call_id)
        return {row["agent_id"]: dict(row) for row in rows}

    def outcome(self, call_id: int) -> dict[str, str]:
        return {agent_id: row["reason"] or row["status"] for agent_id, row in self.signals(call_id).items()}

    def call(self, call_id: int) -> dict[str, Any]:
        with self.database.transaction() as tx:
            row = tx.one("select * from calls where call_id = :call_id", call_id=call_id)
        assert row is not None
        return dict(row)


@pytest.fixture
def stage(database: Database, clock: FixedClock, repository: Path) -> Stage:
    desk = parse_desk((repository / "local/samples/desk.yaml").read_text(), "desk.yaml")
    with database.transaction() as tx:
        roster.apply_desk(tx, desk, clock.now())
        for venue, network in (("hyperliquid", "local"), ("paper", "paper")):
            for asset, market in enumerate(("BTC", "kPEPE")):
                tx.execute(
                    """
                    insert into markets (venue, network, market, asset, size_decimals, max_leverage, read_at)
                    values (:venue, :network, :market, :asset, 3, 20, :now)
                    """,
                    venue=venue,
                    network=network,
                    market=market,
                    asset=asset,
                    now=clock.now(),
                )
    ready = Stage(database, clock, desk, Ledger(), Bell())
    ready.mark_everywhere()
    return ready


def test_f26_each_agent_decides_once_and_every_deployment_of_a_taker_gets_a_plan(stage: Stage) -> None:
    call_id = stage.say("macro_marta")

    generated = stage.generator.generate(call_id)

    assert generated is not None
    assert (generated.taken, generated.skipped) == (2, 0)
    assert stage.outcome(call_id) == {"compass": "TAKEN", "harbour": "TAKEN"}
    assert stage.ledger.planned_for() == ["compass-live", "compass-paper", "harbour-paper"]
    assert [queue for queue, _ in stage.bell.rung] == [Queue.ENTRIES] * 3
    assert {ring.trace_id for _, ring in stage.bell.rung} == {"trace"}
    assert {ring.id for _, ring in stage.bell.rung} == {str(each.order_id) for each in generated.planned}


def test_the_call_is_decided_and_due_no_more_and_the_stage_beats(stage: Stage) -> None:
    call_id = stage.say("macro_marta")

    stage.generator.generate(call_id)

    call = stage.call(call_id)
    assert (call["status"], call["next_ring_at"], call["claim_token"]) == ("DECIDED", None, None)
    with stage.database.transaction() as tx:
        beat = tx.one("select * from heartbeats where stage = 'generate_signals'")
    assert beat is not None
    assert beat["beat_at"] == stage.clock.now()


def test_f11_ringing_a_decided_call_again_decides_and_plans_nothing(stage: Stage) -> None:
    call_id = stage.say("macro_marta")
    stage.generator.generate(call_id)
    before = stage.signals(call_id)

    stage.clock.advance(timedelta(hours=6))
    again = stage.generator.generate(call_id)

    assert again is not None
    assert (again.taken, again.skipped, again.planned) == (0, 0, ())
    assert stage.signals(call_id) == before
    assert len(stage.bell.rung) == 3


def test_f2_two_processes_that_decide_one_call_at_once_make_each_signal_once(
    stage: Stage, database_url: str
) -> None:
    calls = [stage.say("macro_marta") for _ in range(6)]
    start = threading.Barrier(2)

    def work(_: int) -> list[Generated | None]:
        own = replace(stage, database=Database(Address.from_url(database_url), network="local"))
        try:
            start.wait(20)
            return [own.generator.generate(call_id) for call_id in calls]
        finally:
            own.database.close()

    with ThreadPoolExecutor(2) as pool:
        made = [done for both in pool.map(work, range(2), timeout=60) for done in both if done is not None]

    assert sum(done.taken + done.skipped for done in made) == 2 * len(calls)
    assert [len(stage.signals(call_id)) for call_id in calls] == [2] * len(calls)
    assert {stage.call(call_id)["status"] for call_id in calls} == {"DECIDED"}


def test_f2_a_signal_that_somebody_made_already_is_no_error_and_is_planned_once(stage: Stage) -> None:
    call_id = stage.say("macro_marta")
    stage.generator.generate(call_id)
    with stage.database.transaction() as tx:
        tx.execute("update calls set status = 'HEARD' where call_id = :call_id", call_id=call_id)

    again = stage.generator.generate(call_id)

    assert again is not None
    assert (again.taken, again.skipped, again.planned) == (0, 0, ())
    assert len(stage.ledger.entries) == 3


def test_f6_a_second_call_on_the_same_token_within_the_hour_is_decided_for_itself(stage: Stage) -> None:
    first, second = stage.say("macro_marta"), stage.say("chart_chen")

    stage.generator.generate(first)
    stage.generator.generate(second)

    assert stage.outcome(first).keys() == stage.outcome(second).keys()
    assert len(stage.ledger.entries) == 6


def test_a_call_that_somebody_holds_or_that_is_set_aside_or_gone_is_left_alone(stage: Stage) -> None:
    held, aside = stage.say("macro_marta"), stage.say("macro_marta")
    with stage.database.transaction() as tx:
        tx.execute(
            "update calls set claim_token = :token, claimed_until = :until where call_id = :call_id",
            token=uuid4(),
            until=stage.clock.now() + LASTING,
            call_id=held,
        )
        quarantine(tx, CALLS, aside, now=stage.clock.now(), error="x")

    assert stage.generator.generate(held) is None
    assert stage.generator.generate(aside) is None
    assert stage.generator.generate(987654) is None
    stage.clock.advance(LASTING)
    assert stage.generator.generate(held) is not None


def test_a_failure_in_the_ledger_leaves_no_signal_behind_and_the_call_is_taken_over(stage: Stage) -> None:
    call_id = stage.say("macro_marta")
    stage.ledger.fails = True
    with pytest.raises(InfrastructureError):
        stage.generator.generate(call_id)
    assert stage.signals(call_id) == {}
    assert stage.call(call_id)["status"] == "HEARD"

    stage.ledger.fails = False
    stage.clock.advance(LASTING)
    stage.mark_everywhere()
    stage.generator.generate(call_id)

    assert stage.outcome(call_id) == {"compass": "TAKEN", "harbour": "TAKEN"}


def test_a_claim_that_was_taken_over_meanwhile_writes_nothing(stage: Stage) -> None:
    call_id = stage.say("macro_marta")

    class Thief(Ledger):
        def plan_entry(self, tx: Transaction, *args: Any, **kwargs: Any) -> Planned | None:
            tx.execute(
                "update calls set claim_token = :token where call_id = :call_id",
                token=UUID(int=1),
                call_id=call_id,
            )
            return super().plan_entry(tx, *args, **kwargs)

    stage.ledger = Thief()
    with pytest.raises(InfrastructureError, match="lapsed"):
        stage.generator.generate(call_id)

    assert stage.signals(call_id) == {}
    assert stage.bell.rung == []


def test_three_styles_decide_differently_on_the_same_posts(stage: Stage) -> None:
    outcomes = {
        "short": stage.say("bear_beatriz", side="SHORT", conviction="0.9"),
        "unsure": stage.say("macro_marta", conviction="0.55", token="kPEPE"),
        "muted": stage.say("alt_anders", token="kPEPE"),
        "quick": stage.say("scalp_sora", token="kPEPE"),
    }

    for call_id in outcomes.values():
        stage.generator.generate(call_id)

    assert stage.outcome(outcomes["short"]) == {"compass": "TAKEN", "harbour": "SIDE_NOT_ALLOWED"}
    assert stage.outcome(outcomes["unsure"])["harbour"] == "CONVICTION_TOO_LOW"
    assert stage.outcome(outcomes["muted"]) == {"compass": "TAKEN", "spark": "AUTHOR_WEIGHT_ZERO"}
    assert stage.outcome(outcomes["quick"]) == {"spark": "TAKEN"}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"token": "USDC"}, "STABLECOIN"),
        ({"token": "SCAM"}, "MARKET_NOT_LISTED"),
        ({"conviction": "0.1"}, "CONVICTION_TOO_LOW"),
        ({"age": timedelta(hours=3)}, "CALL_TOO_OLD"),
        ({"age": timedelta(seconds=-500)}, "TAKEN"),
    ],
)
def test_each_reason_is_stored_with_the_signal(stage: Stage, said: dict[str, Any], reason: str) -> None:
    call_id = stage.say("macro_marta", **said)

    stage.generator.generate(call_id)

    assert stage.outcome(call_id)["compass"] == reason
    row = stage.signals(call_id)["compass"]
    assert row["detail"] or reason == "TAKEN"
    assert row["breakdown"]["sentence"]


def test_a_call_from_the_future_ages_from_when_it_was_heard(stage: Stage) -> None:
    call_id = stage.say("macro_marta", age=timedelta(hours=-5))

    stage.generator.generate(call_id)

    assert stage.signals(call_id)["compass"]["not_after"] == stage.clock.now() + timedelta(minutes=10)


def test_opposing_authors_are_weighed_against_one_another(stage: Stage) -> None:
    stage.say("macro_marta", side="SHORT", conviction="1")
    stage.say("chart_chen", side="SHORT", conviction="1")
    call_id = stage.say("alt_anders", conviction="0.9")

    stage.generator.generate(call_id)

    assert stage.outcome(call_id)["compass"] == "OPPOSED_BY_OTHERS"
    row = stage.signals(call_id)["compass"]
    parts = row["breakdown"]["parts"]
    assert len(parts) == 3
    assert sum(Decimal(part["contribution"]) for part in parts) == row["score"]
    assert "@chart_chen" in row["breakdown"]["sentence"]
    assert len(row["post_ids"]) == 3


def test_evidence_older_than_the_agents_window_counts_for_nothing(stage: Stage) -> None:
    stage.say("macro_marta", side="SHORT", conviction="1")
    stage.clock.advance(timedelta(hours=3))
    stage.mark_everywhere()
    call_id = stage.say("chart_chen")

    stage.generator.generate(call_id)

    signals = stage.signals(call_id)
    assert len(signals["compass"]["breakdown"]["parts"]) == 1
    assert len(signals["harbour"]["breakdown"]["parts"]) == 2


def test_an_inactive_agent_and_one_without_deployment_say_so(stage: Stage) -> None:
    compass = next(each for each in stage.desk.agents if each.agent_id == "compass")
    others = tuple(each for each in stage.desk.agents if each is not compass)
    smaller = replace(
        stage.desk,
        agents=(replace(compass, is_active=False), *others),
        deployments=tuple(each for each in stage.desk.deployments if each.agent.agent_id != "harbour"),
    )
    with stage.database.transaction() as tx:
        roster.apply_desk(tx, smaller, stage.clock.now())
    call_id = stage.say("macro_marta")

    stage.generator.generate(call_id)

    assert stage.outcome(call_id) == {"compass": "AGENT_INACTIVE", "harbour": "NO_DEPLOYMENT"}


def test_the_plan_carries_scaled_levels_the_mark_and_the_deadline(stage: Stage) -> None:
    call_id = stage.say("scalp_sora", token="PEPE", stop="0.0000104")

    stage.generator.generate(call_id)

    ((_, deployment_id), plan), *_ = stage.ledger.entries.items()
    row = stage.signals(call_id)["spark"]
    assert deployment_id == "spark-live"
    assert plan.signal_id == row["signal_id"]
    assert plan.market == row["market"] == "kPEPE"
    assert plan.reference_price == Decimal("0.0105")
    assert row["stop_price"] == Decimal("0.0104")
    assert plan.not_after == row["not_after"] == stage.clock.now() + timedelta(minutes=5)
    assert json.loads(json.dumps(row["breakdown"]))["places"][0]["mark"] == "0.0105"


def test_f35_without_any_fresh_mark_the_call_stays_due_and_is_decided_later(stage: Stage) -> None:
    stage.clock.advance(timedelta(seconds=61))
    call_id = stage.say("macro_marta")

    waiting = stage.generator.generate(call_id)

    assert waiting is not None
    assert waiting.is_waiting
    assert stage.signals(call_id) == {}
    call = stage.call(call_id)
    assert call["status"] == "HEARD"
    assert call["next_ring_at"] == stage.clock.now() + timedelta(seconds=15)
    stage.mark_everywhere()
    stage.generator.generate(call_id)
    assert stage.outcome(call_id) == {"compass": "TAKEN", "harbour": "TAKEN"}
    assert stage.call(call_id)["status"] == "DECIDED"


def test_f21_a_call_that_never_gets_a_mark_is_skipped_when_its_time_is_over(stage: Stage) -> None:
    stage.clock.advance(timedelta(seconds=61))
    call_id = stage.say("macro_marta")
    stage.generator.generate(call_id)

    stage.clock.advance(timedelta(minutes=15))
    stage.generator.generate(call_id)

    assert stage.outcome(call_id) == {"compass": "MARK_STALE", "harbour": "MARK_STALE"}
    assert stage.call(call_id)["status"] == "DECIDED"


def test_a_stale_mark_on_one_venue_holds_up_only_the_deployments_there(stage: Stage) -> None:
    stage.clock.advance(timedelta(seconds=61))
    stage.mark("BTC", "60000")
    call_id = stage.say("macro_marta")

    first = stage.generator.generate(call_id)
    planned_first = stage.ledger.planned_for()
    stage.mark_everywhere()
    second = stage.generator.generate(call_id)

    assert first is not None
    assert second is not None
    assert (first.is_waiting, planned_first) == (True, ["compass-live"])
    assert (second.is_waiting, second.taken) == (False, 1)
    assert stage.ledger.planned_for() == ["compass-live", "compass-paper", "harbour-paper"]
    assert stage.outcome(call_id) == {"compass": "TAKEN", "harbour": "TAKEN"}


def test_an_agent_that_skipped_does_not_decide_again_while_another_waits(stage: Stage) -> None:
    stage.clock.advance(timedelta(seconds=61))
    call_id = stage.say("macro_marta", conviction="0.55")

    stage.generator.generate(call_id)
    first = stage.outcome(call_id)
    stage.mark_everywhere()
    stage.generator.generate(call_id)

    assert first == {"harbour": "CONVICTION_TOO_LOW"}
    assert stage.outcome(call_id) == {"compass": "TAKEN", "harbour": "CONVICTION_TOO_LOW"}


def test_f7_a_close_right_after_an_open_of_the_same_token_is_followed(stage: Stage) -> None:
    opened = stage.say("macro_marta")
    stage.generator.generate(opened)
    stage.ledger.holding = {"compass"}
    stage.bell.rung.clear()
    stage.clock.advance(timedelta(minutes=1))
    closed = stage.say("macro_marta", action="CLOSE")

    generated = stage.generator.generate(closed)

    assert generated is not None
    assert stage.outcome(closed) == {"compass": "TAKEN", "harbour": "NOTHING_TO_CLOSE"}
    assert stage.ledger.exits == [
        {"agent_id": "compass", "author_id": stage.author("macro_marta"), "market": "BTC", "side": Side.LONG}
    ]
    assert [queue for queue, _ in stage.bell.rung] == [Queue.EXITS]
    assert stage.call(closed)["status"] == "DECIDED"


def test_a_close_call_needs_no_age_mark_score_or_switch(stage: Stage) -> None:
    inactive = replace(stage.desk, agents=tuple(replace(each, is_active=False) for each in stage.desk.agents))
    with stage.database.transaction() as tx:
        roster.apply_desk(tx, inactive, stage.clock.now())
    stage.ledger.holding = {"compass"}
    stage.ledger.keeps = {"harbour"}
    closed = stage.say("macro_marta", action="CLOSE", conviction="0", age=timedelta(hours=8))
    stage.clock.advance(timedelta(hours=1))

    stage.generator.generate(closed)

    assert stage.outcome(closed) == {"compass": "TAKEN", "harbour": "CLOSE_CALLS_IGNORED"}


def test_a_close_that_its_author_has_overtaken_closes_nothing(stage: Stage) -> None:
    stage.ledger.holding = {"compass", "harbour"}
    closed = stage.say("macro_marta", action="CLOSE")
    stage.clock.advance(timedelta(minutes=1))
    stage.say("macro_marta")

    stage.generator.generate(closed)

    assert stage.outcome(closed) == {"compass": "NOTHING_TO_CLOSE", "harbour": "NOTHING_TO_CLOSE"}
    assert stage.signals(closed)["compass"]["detail"] == "the author called it anew since"


def test_a_close_of_a_token_that_nothing_lists_closes_nothing(stage: Stage) -> None:
    closed = stage.say("macro_marta", token="SCAM", action="CLOSE")

    stage.generator.generate(closed)

    assert set(stage.outcome(closed).values()) == {"NOTHING_TO_CLOSE"}


def test_a_call_of_an_author_whom_nobody_follows_is_simply_done(stage: Stage) -> None:
    alone = replace(stage.desk, follows=())
    with stage.database.transaction() as tx:
        roster.apply_desk(tx, alone, stage.clock.now())
    opened, closed = stage.say("macro_marta"), stage.say("macro_marta", action="CLOSE")

    for call_id in (opened, closed):
        stage.generator.generate(call_id)
        assert stage.signals(call_id) == {}
        assert stage.call(call_id)["status"] == "DECIDED"


def test_the_number_of_statements_does_not_grow_with_the_number_of_agents(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    for name in ("all", "execute"):
        original = getattr(Transaction, name)

        def counting(tx: Transaction, sql: str, *, _original: Any = original, **parameters: Any) -> Any:
            counted.append(sql)
            return _original(tx, sql, **parameters)

        monkeypatch.setattr(Transaction, name, counting)
    few = stage.say("macro_marta", conviction="0.1")
    counted.clear()
    stage.generator.generate(few)
    with_few = len(counted)
    template = stage.desk.agents[0]
    copies = tuple(replace(template, agent_id=f"copy-{number}") for number in range(30))
    marta = stage.author("macro_marta")
    follows = tuple(
        replace(stage.desk.follows[0], agent_id=each.agent_id, author_id=marta) for each in copies
    )
    bigger = replace(
        stage.desk, agents=(*stage.desk.agents, *copies), follows=(*stage.desk.follows, *follows)
    )
    with stage.database.transaction() as tx:
        roster.apply_desk(tx, bigger, stage.clock.now())
    many = stage.say("macro_marta", conviction="0.1")
    counted.clear()

    stage.generator.generate(many)

    assert len(counted) == with_few
    assert len(stage.signals(many)) == 32
