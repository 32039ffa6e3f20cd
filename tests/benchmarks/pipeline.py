"""Figure: from a published post to the signed bytes of its order, with every stage in this process.

Counted are ingest (a feed that answers from memory), classify (the grammar), generate, and execute up to the moment at which the
signed order is committed and nothing but the socket is left; all on real Postgres. Queues are left out, since stages are called
one after another; so is the venue's own time, which is given apart. The account's leverage is set on the way, as in
every entry.
"""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from uuid import UUID, uuid4

from outcry.calls.classify import ClassifyPosts, GrammarClassifier, Outcome, StoredTickerBook
from outcry.orders.plan import LedgerPlanner, plan_exit
from outcry.positions import store as positions_store
from outcry.posts.ingest import ingest
from outcry.runtime.queues import Queue
from outcry.runtime.reasons import Reason
from outcry.signals.generate import SignalGenerator
from tests.benchmarks.database import Server
from tests.benchmarks.figures import MS, Figure, drop_first, figure, quiet
from tests.benchmarks.ledger import BETWEEN, Bench, Spent, bench
from tests.orders.workshop import LIVE, Workshop
from tests.posts.memory import MemoryFeed, a_post

GROUP = "pipeline"
TEXT = "LONG BTC 60k, SL 58.9k, TP 63k/65k, 5x"
STAGES = ("ingest", "classify", "generate", "execute")


class Line:
    """The stages, one after another, on one workshop."""

    def __init__(self, here: Bench) -> None:
        self.here = here
        shop = here.shop
        self.feed = MemoryFeed()
        self.classify = ClassifyPosts(
            shop.database,
            shop.clock,
            shop.bells,
            GrammarClassifier(StoredTickerBook(shop.database, shop.clock)),
            new_token=uuid4,
            max_age=timedelta(hours=6),
        )
        self.signals = SignalGenerator(
            shop.database,
            shop.clock,
            LedgerPlanner(),
            shop.bells,
            new_token=uuid4,
            lasting=timedelta(seconds=60),
        )

    def run(self, post_id: int) -> list[Spent]:
        """Publish a post and carry it to its signed order; what each stage took, in their order."""
        shop, marks = self.here.shop, [self.here.meter.now()]
        self.feed.posts = (a_post(post_id, TEXT, shop.clock.now()),)
        with quiet():
            marks[0] = self.here.meter.now()
            ingest(shop.database, self.feed, shop.bells, clock=shop.clock, new_trace_id=lambda: uuid4().hex)
            marks.append(self.here.meter.now())
            outcome = self.classify(int(_rung(shop, Queue.POSTS)[0]))
            marks.append(self.here.meter.now())
            self.signals.generate(int(_rung(shop, Queue.CALLS)[0]))
            marks.append(self.here.meter.now())
            entry = UUID(_rung(shop, Queue.ENTRIES)[0])
            session = self.here.meter.session

            def signed() -> None:
                marks.append(self.here.meter.now())
                session.on_order = None

            session.on_order = signed
            shop.advance(entry)
        assert outcome is Outcome.CLASSIFIED, outcome
        assert shop.order(entry)["status"] == "FILLED", shop.order(entry)
        assert shop.order(entry)["account_id"] == LIVE
        return [
            Spent(later.ours - earlier.ours, later.venue - earlier.venue, later.asked.since(earlier.asked))
            for earlier, later in pairwise(marks)
        ]


def _rung(shop: Workshop, queue: Queue) -> list[str]:
    return [ring.id for where, ring, _ in shop.bells.rung if where is queue]


def figures(server: Server, *, quick: bool) -> Iterator[Figure]:
    """Post to signed order, and each stage of it."""
    runs: list[list[Spent]] = []
    with bench(server) as here:
        line = Line(here)
        for number in range(5 if quick else 15):
            _get_ready(here.shop, number)
            runs.append(line.run(2_000_000_000 + number))
            _close(here.shop)
    kept = drop_first(runs)
    wholes = [sum(each.ours for each in run) for run in kept]
    transactions = sum(each.asked.transactions for each in kept[-1])
    yield figure(
        GROUP,
        "post to signed order",
        MS,
        wholes,
        f"all stages in process, {transactions} transactions; the venue's time (reads before approval, leverage) is subtracted",
        target=150,
    )
    yield figure(
        GROUP,
        "with the local venue's time",
        MS,
        [sum(each.ours + each.venue for each in run) for run in kept],
        "the same, with nothing subtracted",
    )
    for number, stage in enumerate(STAGES):
        own = [run[number] for run in kept]
        yield figure(
            GROUP,
            f"of which {stage}",
            MS,
            [each.ours for each in own],
            f"{own[-1].asked.transactions} transactions, {own[-1].asked.statements} statements",
        )


def _get_ready(shop: Workshop, number: int) -> None:
    """Fresh marks in the database, and nothing held."""
    shop.clock.advance(BETWEEN)
    shop.mark("BTC", str(60000 + number % 2))
    shop.watch()
    shop.bells.rung.clear()


def _close(shop: Workshop) -> None:
    shop.bells.rung.clear()
    shop.clock.advance(timedelta(seconds=5))
    position_id = shop.position()["position_id"]
    with shop.database.transaction() as tx:
        position = positions_store.load(tx, position_id, lock=True)
        assert position is not None
        order_id = plan_exit(tx, position, Reason.TIME_LIMIT, now=shop.clock.now(), trace_id="bench")
    shop.advance(order_id)
    shop.drain()
