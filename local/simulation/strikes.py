"""Makes happen at edges what a plan has armed: processes die or stall, connections drop, commits fail or go unanswered.

Promises: what is armed strikes once, at the first fitting edge after a number of edges of its function; each strike is counted by its
kind when it happens. Every failure of the database is the server's own: see `ground`.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from local.simulation.ground import Ground
from local.simulation.plan import House
from local.simulation.queues import Queues
from local.simulation.service import Service
from local.simulation.workers import GIVES_WAY, Crew, Worker
from outcry.runtime.database import Database
from outcry.runtime.edges import Edge
from outcry.runtime.queues import Queue

_LOCKED_TABLES = ("orders", "actions", "positions")
_FITTING = {
    House.STALLED: GIVES_WAY,
    House.COMMIT_UNANSWERED: frozenset({Edge.BEFORE_COMMIT}),
    House.CONFLICT: frozenset({Edge.BEFORE_COMMIT}),
    House.LOCKED: frozenset({Edge.BEGIN}),
    House.DAMAGED_ROW: frozenset({Edge.AFTER_COMMIT}),
}
_CONFLICT = "insert into sim.conflicts values (1)"
_OF_THE_DATABASE = frozenset({House.CONNECTION_DROPPED, House.DATABASE_CRASHED})


@dataclass(slots=True)
class _Armed:
    kind: House
    function: str
    left: int
    seconds: float


class Strikes:
    """What is armed, and what struck. One a world; `passed` is a hook of its crew."""

    def __init__(
        self, ground: Ground, crew: Crew, service: Service, queues: Queues, database: Database
    ) -> None:
        self._ground, self._crew, self._service, self._queues = ground, crew, service, queues
        self._database = database
        self._armed: list[_Armed] = []
        self._is_held = False
        self.counts: Counter[str] = Counter()
        crew.hooks.append(self.passed)

    def arm(self, *, kind: House, function: str, after: int, seconds: float) -> None:
        """Have it strike at the first fitting edge after `after` edges of `function`."""
        if kind is House.GARBAGE:
            self._count(kind)
            self._queues.put(tuple(Queue)[after % 6], ("{", '{"id": "nobody"}', "[]")[after % 3])
            return
        if kind is House.DAMAGED_ROW:
            function = "generate_signals"
        self._armed.append(_Armed(kind, function, after, seconds))

    def disarm(self) -> None:
        """Nothing strikes any more."""
        self._armed.clear()
        self._let_go()

    def passed(self, worker: Worker, edge: Edge, what: str) -> None:
        """An edge of this worker was reached."""
        self._let_go()
        function = worker.name.partition(" ")[0]
        for armed in list(self._armed):
            if armed.function != function:
                continue
            armed.left -= 1
            if armed.left <= 0 and _fits(armed.kind, edge, what):
                self._strike(armed, worker)

    def _strike(self, armed: _Armed, worker: Worker) -> None:
        """Let it happen; what finds nothing to happen to stays armed."""
        acts: dict[House, Callable[[], bool]] = {
            House.KILLED: lambda: True,
            House.STALLED: lambda: True,
            House.CONNECTION_DROPPED: lambda: self._ground.drop_connections(worker.name) > 0,
            House.COMMIT_UNANSWERED: lambda: self._commit_unanswered(worker),
            House.CONFLICT: lambda: self._run_in_its_transaction(worker, _CONFLICT),
            House.LOCKED: lambda: self._hold(_LOCKED_TABLES[int(armed.seconds) % len(_LOCKED_TABLES)]),
            House.DATABASE_CRASHED: self._ground.crash,
            House.DAMAGED_ROW: self._damage_row,
        }
        if not acts[armed.kind]():
            return
        self._armed.remove(armed)
        self._count(armed.kind)
        if armed.kind is House.KILLED:
            worker.die()
        if armed.kind is House.STALLED:
            self._crew.pause(armed.seconds)

    def _commit_unanswered(self, worker: Worker) -> bool:
        """The server commits, and the connection ends before its answer is read."""
        return (
            self._run_in_its_transaction(worker, "commit") and self._ground.drop_connections(worker.name) > 0
        )

    def _run_in_its_transaction(self, worker: Worker, sql: str) -> bool:
        """Slip a statement into the transaction that the worker has open; False where it has none."""
        for environment, _ in self._service.running:
            session = environment.database._session
            if environment.worker is worker and session is not None and environment.database._has_begun:
                session.connection.run(sql)
                return True
        return False

    def _damage_row(self) -> bool:
        """A planned entry loses its plan: whoever advances it fails, each time."""
        with self._database.transaction() as tx:
            return bool(
                tx.execute(
                    """
                    update orders set plan = '{}' where order_id in (
                      select order_id from orders where kind = 'enter' and status = 'PLANNED' and claim_token is null
                       order by order_id limit 1)
                    """
                )
            )

    def _hold(self, table: str) -> bool:
        self._ground.hold(table)
        self._is_held = True
        return True

    def _let_go(self) -> None:
        if self._is_held:
            self._ground.let_go()
            self._is_held = False

    def _count(self, kind: House) -> None:
        self.counts[kind.value] += 1


def _fits(kind: House, edge: Edge, what: str) -> bool:
    if kind in _OF_THE_DATABASE and what != "database":
        return False
    return edge in _FITTING.get(kind, frozenset(Edge))
