"""One call, every agent that follows its author: each decides once, and why is stored.

Promises:
- One signal per agent and call, taken or skipped (F-11: a post that is seen again decides nothing again).
  Signals, planned orders and the call's end are one transaction; queues are rung after it.
- Every active deployment of an agent gets its own plan (F-26); what one place lacks never holds up another.
- A call to close is no entry: no age, score or switch stops it, and no signal of the same token does (F-7).
- Without a fresh mark nothing is decided while the call is young: the call stays due, and a sweep rings it
  again.
The number of reads and of signal writes does not grow with the number of agents.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from outcry.agents import roster
from outcry.agents.model import Agent
from outcry.runtime import metrics
from outcry.runtime.clock import Clock
from outcry.runtime.database import Database, Transaction
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.leases import CALLS, Claim, claim, release
from outcry.runtime.queues import Doorbell, Queue, Ring
from outcry.runtime.reason_groups import group_of
from outcry.runtime.reasons import Reason
from outcry.signals import store
from outcry.signals.evidence import read_evidence
from outcry.signals.judge import Take, Wait, entry_plan, judge
from outcry.signals.model import Call
from outcry.signals.planner import Planned, Planner
from outcry.signals.record import Signal, close_signal, open_signal
from outcry.signals.route import market_names
from outcry.signals.score import Breakdown, score

STAGE = "generate_signals"
LOOK_AGAIN = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Generated:
    """What came of one call: signals written, orders planned, and whether the call waits for marks."""

    trace_id: str = ""
    taken: int = 0
    skipped: int = 0
    planned: tuple[Planned, ...] = ()
    is_waiting: bool = False
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignalGenerator:
    """The use case. `lasting` is how long a claim is ours: the function's deadline and a margin."""

    database: Database
    clock: Clock
    planner: Planner
    doorbell: Doorbell
    new_token: Callable[[], UUID]
    lasting: timedelta

    def generate(self, call_id: int) -> Generated | None:
        """Decide about the call, for every agent. None: somebody else holds it, or it is quarantined or gone.

        Raises InfrastructureError (DatabaseUnavailable, a queue that cannot be rung): the message comes
        again.
        """
        now = self.clock.now()
        with self.database.transaction() as tx:
            held = claim(tx, CALLS, [call_id], token=self.new_token(), now=now, lasting=self.lasting)
        if not held:
            return None
        with self.database.transaction() as tx:
            generated = self._decide(tx, held[0], now)
        _count(generated)
        self._ring(generated)
        return generated

    def _decide(self, tx: Transaction, held: Claim, now: datetime) -> Generated:
        call = store.load_call(tx, held.key)
        if call is None or call.is_decided:
            generated = Generated()
        else:
            generated = self._close(tx, call, now) if call.is_close else self._open(tx, call, now)
            store.beat(tx, STAGE, now=now, detail={"call_id": call.call_id, "taken": generated.taken})
        if not generated.is_waiting:
            store.put_decided(tx, held)
        next_ring_at = now + LOOK_AGAIN if generated.is_waiting else None
        if not release(tx, CALLS, held, next_ring_at=next_ring_at):
            raise InfrastructureError("the claim on the call lapsed before it was decided")
        return generated

    def _ring(self, generated: Generated) -> None:
        for queue, is_exit in ((Queue.EXITS, True), (Queue.ENTRIES, False)):
            orders = [each.order_id for each in generated.planned if each.is_exit is is_exit]
            if orders:
                self.doorbell.ring(queue, [Ring(str(order_id), generated.trace_id) for order_id in orders])

    # ─── a call to open ─────────────────────────────────────────────────────────────────────────────────────

    def _open(self, tx: Transaction, call: Call, now: datetime) -> Generated:
        following = roster.agents_following(tx, call.author_id)
        made = store.signals_of(tx, call.call_id)
        evidence = read_evidence(tx, call, [agent for agent, _ in following], now=now)
        signals: list[Signal] = []
        takes: list[tuple[Agent, Take, Breakdown]] = []
        is_waiting = False
        for agent, weight in following:
            _, status = made.get(agent.agent_id, (0, None))
            if status == "SKIPPED":
                continue
            breakdown = score(evidence.heard_by(agent, now), evidence.weights[agent.agent_id])
            places = evidence.places(agent, call)
            verdict = judge(call, agent, weight=weight, breakdown=breakdown, places=places, now=now)
            if isinstance(verdict, Wait):
                is_waiting = True
                continue
            if isinstance(verdict, Take):
                takes.append((agent, verdict, breakdown))
                is_waiting = is_waiting or bool(verdict.waiting)
            if status is None:
                told = evidence.usernames
                signals.append(
                    open_signal(call, agent, verdict, breakdown=breakdown, places=places, usernames=told)
                )
        written = store.put_signals(tx, call, signals, now=now)
        ids = {agent_id: signal_id for agent_id, (signal_id, _) in made.items()} | written
        planned: list[Planned] = []
        for agent, take, breakdown in takes:
            if agent.agent_id in ids:
                planned += self._plan(
                    tx, call, agent, take, breakdown, signal_id=ids[agent.agent_id], now=now
                )
        return _generated(call, signals, planned, is_waiting=is_waiting)

    def _plan(
        self,
        tx: Transaction,
        call: Call,
        agent: Agent,
        take: Take,
        breakdown: Breakdown,
        *,
        signal_id: int,
        now: datetime,
    ) -> list[Planned]:
        """One entry per place that has a fresh mark; a place that has this signal's already is left alone."""
        orders: list[Planned] = []
        for place in take.places:
            plan, _ = entry_plan(call, agent, place, breakdown, signal_id=signal_id)
            order = self.planner.plan_entry(tx, plan, place.deployment, now=now, trace_id=call.trace_id)
            if order is not None:
                orders.append(order)
        return orders

    # ─── a call to close ────────────────────────────────────────────────────────────────────────────────────

    def _close(self, tx: Transaction, call: Call, now: datetime) -> Generated:
        following = roster.agents_following(tx, call.author_id)
        markets = sorted({each.market for each in store.listed(tx, market_names(call.token))})
        reopened = any(
            heard.author_id == call.author_id
            and heard.side is call.side
            and not heard.is_close
            and (heard.spoken_at, heard.call_id) > (call.spoken_at, call.call_id)
            for heard in store.heard_about(tx, call.token, since=call.spoken_at, until=now)
        )
        signals: list[Signal] = []
        planned: list[Planned] = []
        for agent, _ in following:
            orders: list[Planned] = []
            reasons: list[Reason] = []
            for market in [] if reopened else markets:
                found, reason = self.planner.plan_exit_on_call(
                    tx,
                    agent_id=agent.agent_id,
                    author_id=call.author_id,
                    market=market,
                    side=call.side,
                    now=now,
                    trace_id=call.trace_id,
                )
                orders += found
                reasons += [] if reason is None else [reason]
            # a position that the agent keeps on purpose says more than a market that it does not hold
            telling = (Reason.HALTED, Reason.CLOSE_CALLS_IGNORED)
            reason = next((each for each in telling if each in reasons), Reason.NOTHING_TO_CLOSE)
            detail = "the author called it anew since" if reopened else None
            market_shown = markets[0] if markets else None
            signals.append(
                close_signal(
                    call, agent, market=market_shown, planned=len(orders), reason=reason, detail=detail
                )
            )
            planned += orders
        store.put_signals(tx, call, signals, now=now)
        return _generated(call, signals, planned, is_waiting=False)


def _generated(call: Call, signals: list[Signal], planned: list[Planned], *, is_waiting: bool) -> Generated:
    taken = sum(signal.status == "TAKEN" for signal in signals)
    reasons = tuple(signal.reason for signal in signals if signal.reason is not None)
    return Generated(call.trace_id, taken, len(signals) - taken, tuple(planned), is_waiting, reasons)


def _count(generated: Generated) -> None:
    metrics.CALLS_READ.record(int(bool(generated.trace_id) and not generated.is_waiting))
    metrics.SIGNALS_TAKEN.record(generated.taken)
    metrics.SIGNALS_SKIPPED.record(generated.skipped)
    for reason in generated.reasons:
        if (group := group_of(reason)) is not None:
            metrics.REFUSALS.record(1, group)
