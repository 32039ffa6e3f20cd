"""A ledger at work on the local Hyperliquid: real Postgres, real signatures, one clock, and doorbells that are counted."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import coincurve
from eth_hash.auto import keccak

from local.hyperliquid.server import HyperliquidServer
from outcry.agents import roster
from outcry.agents.desk import parse_desk
from outcry.agents.model import Account
from outcry.monitoring.monitor import Monitor
from outcry.orders.actions_store import next_paper_nonce
from outcry.orders.execute import Executor
from outcry.orders.plan import LedgerPlanner
from outcry.orders.ports import Desk, LoadedSigner
from outcry.orders.signers import PAPER
from outcry.runtime.clock import FixedClock, to_milliseconds
from outcry.runtime.database import Database, Transaction
from outcry.runtime.queues import Queue, Ring
from outcry.runtime.side import Side
from outcry.signals.exit_rules import plan_exits
from outcry.signals.model import EntryPlan
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from outcry.venues.paper.venue import PaperVenue
from outcry.venues.paper.wire import PaperSigner
from outcry.venues.port import DigestSigner, Signature

NOON = datetime(2026, 11, 22, 12, 0, 1, tzinfo=UTC)
MASTER = "0x" + "ab" * 20
LIVE, PAPER_ACCOUNT = "live-1", "paper-1"
DESK = f"""
authors:
  - {{ username: caller, author_id: 1001 }}
agents:
  - id: runner
    name: Runner
    follows: [{{ author: caller, weight: 100 }}]
    strategy:
      min_conviction: 0.1
      min_score: 0.1
      max_call_age: 10m
      evidence_window: 30m
      sides: [LONG, SHORT]
      venues: [hyperliquid]
      sizing: {{ risk_frac: 1%, min_stop_frac: 1%, max_leverage: 5, max_slippage_frac: 0.5%, max_chase_frac: 1% }}
      exits:
        stop_frac: 2%
        take_profits: [{{ at_frac: 3%, share: 50% }}]
        trailing: {{ activation_frac: 2%, distance_frac: 1%, step_frac: 0.2% }}
        time_limit: 1h
        liquidation_buffer_frac: 0.5%
        follow_close_calls: true
accounts:
  - id: {LIVE}
    venue: hyperliquid
    network: local
    address: "{MASTER}"
    limits: {{ per_trade_usd: 5000, per_account_usd: 20000, max_open_positions: 5 }}
  - id: {PAPER_ACCOUNT}
    venue: paper
    network: paper
    paper_balance_usd: 10000
    limits: {{ per_trade_usd: 5000, per_account_usd: 20000, max_open_positions: 5 }}
deployments:
  - {{ id: runner-live, agent: runner, account: {LIVE} }}
  - {{ id: runner-paper, agent: runner, account: {PAPER_ACCOUNT} }}
"""


class KeySigner:
    """A signer with a key of this test."""

    def __init__(self, number: int) -> None:
        self._key = coincurve.PrivateKey(number.to_bytes(32, "big"))
        public = self._key.public_key.format(compressed=False)[1:]
        self._address = "0x" + keccak(public)[-20:].hex()

    @property
    def address(self) -> str:
        return self._address

    def sign_digest(self, digest: bytes) -> Signature:
        signed = self._key.sign_recoverable(digest, hasher=None)
        return Signature(
            int.from_bytes(signed[:32], "big"), int.from_bytes(signed[32:64], "big"), signed[64] + 27
        )


class TestSigners:
    """Nonces from the clock, one key for the live account, none for the paper one."""

    __test__ = False

    def __init__(self, key: DigestSigner) -> None:
        self.key = key
        self.last = 0
        self.forgotten: list[str] = []

    def active(self, account: Account) -> LoadedSigner | None:
        return LoadedSigner(None, PaperSigner(account.address) if account.venue == PAPER else self.key)

    def next_nonce(self, tx: Transaction, signer: LoadedSigner, *, now: datetime) -> int:
        if isinstance(signer.key, PaperSigner):
            return next_paper_nonce(tx, signer.key.address, now=now)
        self.last = max(self.last + 1, to_milliseconds(now))
        return self.last

    def forget(self, account: Account) -> None:
        self.forgotten.append(account.account_id)


@dataclass
class Bells:
    """A doorbell that keeps what was rung."""

    rung: list[tuple[Queue, Ring, int]] = field(default_factory=list)

    def ring(self, queue: Queue, rings: Iterable[Ring], *, delay_s: int = 0) -> None:
        self.rung += [(queue, ring, delay_s) for ring in rings]


class Workshop:
    """Everything of one test: the venue server, the desk, the ledger, and short ways to read what they hold."""

    def __init__(self, database: Database, server: HyperliquidServer, clock: FixedClock) -> None:
        self.database, self.server, self.clock = database, server, clock
        self.bells = Bells()
        self.signers = TestSigners(KeySigner(7))
        self.pauses: list[float] = []
        with database.transaction() as tx:
            roster.apply_desk(tx, parse_desk(DESK, "desk.yaml"), clock.now())
            accounts = {account.account_id: account for account in roster.accounts(tx)}
        self.control("fund", user=MASTER, usdc="10000")
        self.control("approve_agent", master=MASTER, agent=self.signers.key.address, name="outcry")
        self.venue = HyperliquidVenue("local", server.url, clock, read_timeout_s=2)
        paper = accounts[PAPER_ACCOUNT]
        self.paper = PaperVenue(
            database,
            self.venue,
            clock,
            slippage_bps=Decimal(5),
            taker_fee_frac=Decimal("0.00045"),
            opening_usd={paper.address: Decimal(10000)},
        )
        self.desk = Desk(
            database=database,
            clock=clock,
            doorbell=self.bells,
            venues={("hyperliquid", "local"): self.venue, ("paper", "paper"): self.paper},
            signers=self.signers,
            new_id=uuid4,
            pause=self._pause,
            load_account=lambda tx, account_id: accounts[account_id],
        )
        self.executor = Executor(self.desk)
        self.monitor = Monitor(self.desk, self.executor.collector, live=("hyperliquid", "local"))

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(timedelta(seconds=seconds))

    # ─── the venue ──────────────────────────────────────────────────────────────────────────────────────────

    def control(self, name: str, /, **body: Any) -> Any:
        return self.server.engine.control(name, body)

    def mark(self, market: str, price: str) -> None:
        self.control("mark", market=market, mark=price)

    def venue_size(self, market: str = "BTC") -> Decimal:
        holding = self.venue.account(MASTER).holdings.get(market)
        return Decimal(0) if holding is None else holding.size

    def venue_fills(self) -> list[dict[str, Any]]:
        return list(self.server.engine.journal.of("fill"))

    # ─── the ledger ─────────────────────────────────────────────────────────────────────────────────────────

    def plan_entry(
        self,
        *,
        market: str = "BTC",
        side: Side = Side.LONG,
        deployment: str = "runner-live",
        reference: str | None = None,
        good_for: timedelta = timedelta(minutes=5),
        stop: Decimal | None = None,
        author_id: int = 1001,
    ) -> UUID:
        """Plan an entry on a signal of its own, as the signals stage would."""
        now = self.clock.now()
        price = Decimal(reference) if reference else self.venue.marks().prices[market]
        with self.database.transaction() as tx:
            chosen = roster.deployment(tx, deployment)
            assert chosen is not None
            signal_id = self._signal(tx, market, side, author_id, now)
            strategy = chosen.agent.strategy
            exits, _ = plan_exits(
                strategy.exits, side=side, reference_price=price, stated_stop=stop, stated_targets=()
            )
            plan = EntryPlan(
                signal_id=signal_id,
                agent_id=chosen.agent.agent_id,
                author_id=author_id,
                market=market,
                side=side,
                score=Decimal(side.sign),
                reference_price=price,
                stop_frac=strategy.exits.stop_frac,
                risk_frac=strategy.sizing.risk_frac,
                max_leverage=strategy.sizing.max_leverage,
                max_slippage_frac=strategy.sizing.max_slippage_frac,
                max_chase_frac=strategy.sizing.max_chase_frac,
                exits=exits,
                not_after=now + good_for,
            )
            planned = LedgerPlanner().plan_entry(tx, plan, chosen, now=now, trace_id="test")
        assert planned is not None
        return planned.order_id

    def _signal(self, tx: Transaction, market: str, side: Side, author_id: int, now: datetime) -> int:
        count = tx.one("select count(*) as n from posts")
        post_id = 5000 + int(count["n"] if count else 0)
        tx.execute(
            """
            insert into posts (post_id, edit_id, author_id, text, kind, created_at, received_at, source, raw, trace_id)
            values (:id, :id, :author, 'a call', 'original', :now, :now, 'poll', '{}', 'test')
            """,
            id=post_id,
            author=author_id,
            now=now,
        )
        call = tx.one(
            """
            insert into calls (post_id, author_id, token, token_as_written, side, action, conviction, evidence, classifier,
                               heard_at, trace_id)
            values (:post, :author, :token, :token, cast(:side as side), 'OPEN', 0.9, 'a call', 'test', :now, 'test')
            returning call_id
            """,
            post=post_id,
            author=author_id,
            token=market,
            side=side.value,
            now=now,
        )
        assert call is not None
        signal = tx.one(
            """
            insert into signals (agent_id, call_id, post_ids, token, side, action, status, breakdown, decided_at, trace_id)
            values ('runner', :call, array[cast(:post as bigint)], :token, cast(:side as side), 'OPEN', 'TAKEN', '{}', :now, 'test')
            returning signal_id
            """,
            call=call["call_id"],
            post=post_id,
            token=market,
            side=side.value,
            now=now,
        )
        assert signal is not None
        return int(signal["signal_id"])

    def advance(self, order_id: UUID) -> None:
        self.executor.advance(order_id, deadline=self.clock.now() + timedelta(seconds=60))

    def enter(self, **how: Any) -> UUID:
        """Plan and execute an entry; returns its order."""
        order_id = self.plan_entry(**how)
        self.advance(order_id)
        return order_id

    def drain(self, most: int = 30) -> None:
        """Answer every doorbell until none is left, moving the clock as far as each delay asks."""
        for _ in range(most):
            if not self.bells.rung:
                return
            self.drain_once()
        raise AssertionError(f"the doorbells never fell silent: {self.bells.rung}")

    def drain_once(self) -> None:
        """Answer the doorbells that are waiting, after the longest of their delays."""
        rung, self.bells.rung = self.bells.rung, []
        self.clock.advance(timedelta(seconds=max(delay for _, _, delay in rung)))
        for _, ring, _ in rung:
            self.advance(UUID(ring.id))

    def watch(self, *, after_s: float = 15) -> None:
        """Let time pass, run one monitor's pass, and answer what it rings."""
        self.clock.advance(timedelta(seconds=after_s))
        now = self.clock.now()
        self.monitor.run(
            [LIVE, PAPER_ACCOUNT], due_at=now, deadline=now + timedelta(seconds=30), trace_id="tick"
        )
        self.drain()

    # ─── what it holds ──────────────────────────────────────────────────────────────────────────────────────

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.database.transaction() as tx:
            return [dict(row) for row in tx.all(sql, **parameters)]

    def order(self, order_id: UUID) -> dict[str, Any]:
        return self.rows("select * from orders where order_id = :id", id=order_id)[0]

    def position(self, market: str = "BTC", account: str = LIVE) -> dict[str, Any]:
        return self.rows(
            "select * from positions where market = :market and account_id = :account order by created_at desc limit 1",
            market=market,
            account=account,
        )[0]

    def notices(self) -> list[str]:
        return [row["topic"] for row in self.rows("select topic from notices order by notice_id")]
