"""Figures: reading posts with the grammar, and storing them.

Counted is `grammar.read` alone, over the labelled posts of the grammar's own tests, calls and no calls mixed as they are there; and
one run of `ingest` with a thousand new posts of one author on real Postgres, with the feed's own time left out.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from uuid import uuid4

from outcry.agents import roster
from outcry.agents.desk import parse_desk
from outcry.calls import grammar
from outcry.calls.tickers import TickerBook
from outcry.posts.ingest import ingest
from outcry.runtime.clock import FixedClock
from tests.benchmarks.database import CountingDatabase, Server
from tests.benchmarks.figures import MS, US, Figure, drop_first, figure, quiet, timed
from tests.orders.workshop import DESK, Bells
from tests.posts.memory import MemoryFeed, a_post

GROUP = "reading"
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
LABELLED = Path(__file__).parent.parent / "calls" / "labelled.jsonl"
MARKETS = (
    "BTC ETH SOL kPEPE LINK DOGE NEAR OP ARB AVAX SUI HYPE WIF POL S RENDER XRP APT TIA INJ kBONK AAVE LDO ORDI GAS TON "
    "ONDO JUP UNI LIT"
)


def figures(server: Server, *, quick: bool) -> Iterator[Figure]:
    """The grammar over ten thousand posts, and ingest of a thousand."""
    yield _grammar(2_000 if quick else 10_000, runs=3 if quick else 5)
    yield from _ingest(server, runs=3 if quick else 6)


def _texts(count: int) -> list[str]:
    labelled = [json.loads(line)["text"] for line in LABELLED.read_text(encoding="utf-8").splitlines()]
    return list(islice(cycle(labelled), count))


def _grammar(count: int, *, runs: int) -> Figure:
    texts = _texts(count)
    book = TickerBook.from_markets(MARKETS.split())
    found = sum(bool(grammar.read(text, book).calls) for text in texts)
    with quiet():
        seconds = [timed(lambda: [grammar.read(text, book) for text in texts]) / count for _ in range(runs)]
    said = f"per post, over {count:,} posts of which {found:,} make a call; the ticker book is kept"
    return figure(GROUP, "grammar, a post", US, seconds, said)


def _ingest(server: Server, *, runs: int) -> Iterator[Figure]:
    clock, feed = FixedClock(NOW), MemoryFeed()
    with server.database() as database:
        with database.transaction() as tx:
            roster.apply_desk(tx, parse_desk(DESK, "desk.yaml"), NOW)
        texts = _texts(1_000)
        new: list[float] = []
        known: list[float] = []
        for run in range(runs + 1):
            clock.advance(timedelta(minutes=1))
            first = 3_000_000_000 + run * len(texts)
            posts = tuple(a_post(first + number, text, clock.now()) for number, text in enumerate(texts))
            for seconds in (new, known):
                feed.posts = posts
                seconds.append(_one(database, feed, clock))
    yield figure(
        GROUP, "ingest, 1,000 new posts", MS, drop_first(new), "one run: store, move the checkpoint, ring"
    )
    yield figure(
        GROUP, "ingest, the same again", MS, drop_first(known), "one run that finds all of them known"
    )


def _one(database: CountingDatabase, feed: MemoryFeed, clock: FixedClock) -> float:
    bells = Bells()
    with quiet():
        return timed(lambda: ingest(database, feed, bells, clock=clock, new_trace_id=lambda: uuid4().hex))
