"""Each registered series is really emitted: by the stages, on a real Postgres and a local venue, read back from what they wrote.

One story, step by step; each step names what it must emit. What no step could reach would stand in NOT_REACHED with its reason.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from local.stack.alarms import points_of
from outcry.calls.classify import ClassifyPosts, GrammarClassifier, StoredTickerBook
from outcry.calls.model import PostToRead
from outcry.calls.model import Reading as Read
from outcry.controls import operate
from outcry.monitoring.measure import Measure
from outcry.monitoring.tick import Tick
from outcry.notices.channels import CountingChannel, deliver
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.orders.plan import LedgerPlanner
from outcry.posts.feed import RateLimit
from outcry.posts.ingest import ingest
from outcry.runtime import emission, metrics
from outcry.runtime.clock import SystemClock
from outcry.runtime.deliveries import answer
from outcry.runtime.errors import BugError, ClassifierUnavailable, VenueUnreachable
from outcry.runtime.leases import ORDERS, claim
from outcry.runtime.metrics import METRICS
from outcry.runtime.queues import Queue, Ring
from outcry.signals.generate import SignalGenerator
from tests.orders.workshop import Workshop
from tests.posts.memory import MemoryFeed, a_post

Series = tuple[str, ...]
ORDER = {"type": "order"}
POOR = '{"status":"ok","response":{"type":"order","data":{"statuses":[{"error":"Insufficient margin to place order. asset=0"}]}}}'
NOT_REACHED: Mapping[Series, str] = {}


class SilentClassifier:
    """A model that never answers."""

    name = "silent/1"

    def read(self, post: PostToRead) -> Read:
        raise ClassifierUnavailable("no answer")


class Story:
    """The stages of one desk, in this process."""

    def __init__(self, shop: Workshop) -> None:
        self.shop, self.number = shop, 2_000_000_000
        self.feed = MemoryFeed(RateLimit(450, 449, shop.clock.now()))
        self.signals = SignalGenerator(
            shop.database,
            shop.clock,
            LedgerPlanner(),
            shop.bells,
            new_token=uuid4,
            lasting=timedelta(minutes=1),
        )
        self.measure = Measure(shop.database, shop.clock)

    def hear(self, text: str) -> int:
        """Publish a post and ingest it; its id."""
        self.number += 1
        self.feed.posts = (a_post(self.number, text, self.shop.clock.now()),)
        ingest(
            self.shop.database,
            self.feed,
            self.shop.bells,
            clock=self.shop.clock,
            new_trace_id=lambda: uuid4().hex,
        )
        return self.number

    def read(self, post_id: int, *, by: SilentClassifier | None = None) -> None:
        shop = self.shop
        grammar = GrammarClassifier(StoredTickerBook(shop.database, shop.clock))
        classify = ClassifyPosts(
            shop.database, shop.clock, shop.bells, by or grammar, new_token=uuid4, max_age=timedelta(hours=6)
        )
        classify(post_id)

    def rung(self, queue: Queue) -> list[str]:
        """The ids that were rung on a queue since the last time."""
        found = [ring.id for where, ring, _ in self.shop.bells.rung if where is queue]
        self.shop.bells.rung = [each for each in self.shop.bells.rung if each[0] is not queue]
        return found

    def change(self, sql: str) -> None:
        with self.shop.database.transaction() as tx:
            tx.execute(sql)


# ─── the steps ──────────────────────────────────────────────────────────────────────────────────────────────


def a_call_is_heard_and_read(story: Story) -> None:
    story.shop.watch()  # marks, by which the call will be decided
    story.read(story.hear("LONG BTC 60k, SL 58.9k, TP 63k/65k, 5x"))


def a_post_without_a_call_is_read(story: Story) -> None:
    story.read(story.hear("good morning"))


def a_post_is_never_classified(story: Story) -> None:
    post_id = story.hear("LONG ETH now")
    with pytest.raises(ClassifierUnavailable):
        story.read(post_id, by=SilentClassifier())
    story.change(f"update posts set created_at = created_at - interval '7 hours' where post_id = {post_id}")
    story.read(post_id)


def a_call_is_decided(story: Story) -> None:
    (call_id,) = story.rung(Queue.CALLS)
    story.signals.generate(int(call_id))


def a_call_is_too_weak(story: Story) -> None:
    story.read(story.hear("LONG BTC 60k, SL 58.9k, TP 63k"))
    (call_id,) = story.rung(Queue.CALLS)
    story.change(f"update calls set conviction = 0.01 where call_id = {call_id}")
    story.signals.generate(int(call_id))


def entries_are_filled_and_protected(story: Story) -> None:
    for order_id in story.rung(Queue.ENTRIES):
        story.shop.advance(UUID(order_id))


def the_place_is_taken(story: Story) -> None:
    story.shop.enter()


def the_market_is_not_listed(story: Story) -> None:
    story.shop.enter(market="NOPE", reference="1")


def it_is_too_late(story: Story) -> None:
    story.shop.enter(market="ETH", good_for=timedelta(seconds=-1))


def there_is_no_room(story: Story) -> None:
    story.change("""update accounts set limits = limits || '{"per_trade_usd": "1"}'""")
    story.change("""update deployments set limits = limits || '{"per_trade_usd": "1"}'""")
    story.shop.enter(market="ETH")
    story.change("""update accounts set limits = limits || '{"per_trade_usd": "5000"}'""")
    story.change("""update deployments set limits = limits || '{"per_trade_usd": "5000"}'""")


def the_desk_is_paused(story: Story) -> None:
    with story.shop.database.transaction() as tx:
        operate.pause(tx, "desk", "a test", "tester", story.shop.clock.now())
    story.shop.enter(market="ETH")
    with story.shop.database.transaction() as tx:
        operate.resume(tx, "desk", "tester", story.shop.clock.now())


def the_venue_refuses(story: Story) -> None:
    story.shop.control("fault", on="exchange", match=ORDER, do="status", status=200, body=POOR, times=1)
    story.shop.enter(market="ETH")


def an_answer_is_lost(story: Story) -> None:
    story.shop.control("fault", on="exchange", match=ORDER, do="drop_before_commit", times=1000)
    story.shop.enter(market="ETH")
    story.shop.control("fault", clear=True)


def the_venue_does_not_answer(story: Story) -> None:
    story.shop.control("fault", on="info", do="status", status=502, times=1)
    with pytest.raises(VenueUnreachable):
        story.shop.venue.marks()


def the_venue_limits_us(story: Story) -> None:
    story.shop.control("fault", on="info", do="status", status=429, times=1)
    with pytest.raises(VenueUnreachable):
        story.shop.venue.marks()


def the_venue_is_not_understood(story: Story) -> None:
    story.shop.control("fault", on="info", do="status", status=200, body='{"odd": 1}', times=1)
    with pytest.raises(BugError):
        story.shop.venue.marks()


def a_claim_lapses(story: Story) -> None:
    order_id, now = story.shop.plan_entry(market="SOL", reference="100"), story.shop.clock.now()
    for later_s in (0, 2):
        with story.shop.database.transaction() as tx:
            at = now + timedelta(seconds=later_s)
            assert claim(tx, ORDERS, [order_id], token=uuid4(), now=at, lasting=timedelta(seconds=1))


def a_message_fails(story: Story) -> None:
    def work(message: object) -> None:
        raise VenueUnreachable("no")

    record = {"messageId": "m", "body": Ring("1", "t").body(), "attributes": {}}
    answer({"Records": [record]}, work, lambda message, error: None, last_receive=4)


def a_page_is_told(story: Story) -> None:
    shop, now = story.shop, story.shop.clock.now()
    with shop.database.transaction() as tx:
        page = tell(tx, level=Level.PAGE, topic="t", subject="s", text="", dedupe_key="page", now=now)
    assert page is not None
    deliver(
        shop.database,
        [CountingChannel()],
        [page],
        clock=shop.clock,
        new_token=uuid4,
        lasting=timedelta(minutes=1),
    )


def the_minute_is_measured(story: Story) -> None:
    shop = story.shop
    shop.clock.advance(timedelta(seconds=20))
    shop.database.close()  # the next statement opens a connection
    Tick(shop.database, shop.clock, shop.bells, uuid4).run()
    story.measure.run()


def gauges() -> set[Series]:
    """Every series of the gauges that the minute's measurement records."""
    return {
        (metric.name, *each.values())
        for metric in METRICS
        for each in metric.series()
        if not metric.adds_up and metric is not metrics.FEED_REQUESTS_LEFT
    }


def refusals(*groups: str) -> set[Series]:
    return {("Refusals", group) for group in groups}


STEPS: tuple[tuple[Callable[[Story], None], set[Series]], ...] = (
    (a_call_is_heard_and_read, {("PostsHeard",), ("FeedRequestsLeft",), ("PostsRead", "classified")}),
    (a_call_is_decided, {("CallsRead",), ("SignalsTaken",)}),
    (a_post_without_a_call_is_read, {("PostsRead", "not_a_call")}),
    (a_post_is_never_classified, {("PostsRead", "unclassified")}),
    (a_call_is_too_weak, {("SignalsSkipped",), *refusals("evidence")}),
    (
        entries_are_filled_and_protected,
        {("OrdersApproved",), ("OrdersFilled",), ("Fills",), ("VenueWeight", "hyperliquid")},
    ),
    (the_place_is_taken, {("OrdersRefused",), *refusals("place")}),
    (the_market_is_not_listed, refusals("market")),
    (it_is_too_late, refusals("time")),
    (there_is_no_room, refusals("limit")),
    (the_desk_is_paused, refusals("control")),
    (the_venue_refuses, {("OrdersApproved",), ("OrdersRefused",), *refusals("venue")}),
    (an_answer_is_lost, {("OrdersUnknown",), ("VenueErrors", "hyperliquid", "ambiguous")}),
    (the_venue_does_not_answer, {("VenueErrors", "hyperliquid", "unreachable")}),
    (the_venue_limits_us, {("VenueErrors", "hyperliquid", "limited")}),
    (the_venue_is_not_understood, {("VenueErrors", "hyperliquid", "unknown_answer")}),
    (a_claim_lapses, {("ClaimsLapsed",)}),
    (a_message_fails, {("MessagesFailed",)}),
    (a_page_is_told, {("PagesTold",)}),
    (the_minute_is_measured, gauges()),
)


# ─── the story ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def story(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    monkeypatch.setenv("OUTCRY_STACK_NAME", "desk")
    emission.follow(workshop.clock)
    metrics.drain()
    yield Story(workshop)
    metrics.drain()
    emission.follow(SystemClock())


def emitted(written: str) -> set[Series]:
    """The series in what was written; a counter that counted nothing is not among them."""
    by_name = {metric.name: metric for metric in METRICS}
    found: set[Series] = set()
    for point in points_of(written.splitlines()):
        metric = by_name[point.series.metric]
        if point.value or not metric.adds_up:
            values = dict(point.series.dimensions)
            found.add((metric.name, *(values[name] for name, _ in metric.dimensions)))
    return found


def test_every_series_is_emitted_by_the_step_that_it_tells_of(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    for step, expected in STEPS:
        step(story)
        emission.flush()

        assert expected - emitted(capsys.readouterr().out) == set(), step.__name__


def test_what_is_promised_is_the_whole_registry() -> None:
    registered = {(metric.name, *each.values()) for metric in METRICS for each in metric.series()}
    promised = set[Series]().union(*(expected for _, expected in STEPS))

    assert promised | set(NOT_REACHED) == registered
    assert not promised & set(NOT_REACHED)
