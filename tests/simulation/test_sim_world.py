"""The kernel of the simulation: a desk that runs by itself, the same way for the same seed, and processes that can be killed."""

from datetime import timedelta
from itertools import pairwise

from local.simulation.desks import AUTHORS, desk
from local.simulation.world import Site, World
from outcry.runtime.edges import Edge
from outcry.runtime.queues import Queue

CALL = "LONG BTC 60k, SL 58.9k, TP 63k/65k, 5x"
DESK = desk()


def call(world: World, text: str = CALL) -> None:
    world.run_until(world.now + timedelta(seconds=50))
    world.publish(AUTHORS[0], text)


def statuses(world: World, kind: str) -> list[str]:
    return [
        row["status"]
        for row in world.rows(
            "select status from orders where kind = :kind order by created_at, leg", kind=kind
        )
    ]


def test_a_post_becomes_a_protected_position_by_itself(place: Site) -> None:
    with World(place, 1, desk=DESK) as world:
        call(world)

        world.run_until(world.now + timedelta(minutes=2))

        assert "FILLED" in statuses(world, "enter")
        assert set(statuses(world, "protect")) == {"RESTING"}


def test_the_same_seed_is_the_same_run_edge_by_edge(place: Site) -> None:
    traces = []
    for _ in range(2):
        with World(place, 5, desk=desk(accounts=3)) as world:
            call(world)
            world.run_until(world.now + timedelta(minutes=4))
            traces.append(world.trace)

    assert len(traces[0]) > 500
    assert traces[0] == traces[1]


def test_another_seed_is_another_run(place: Site) -> None:
    traces = []
    for seed in (5, 6):
        with World(place, seed, desk=DESK) as world:
            call(world)
            world.run_until(world.now + timedelta(minutes=3))
            traces.append(world.trace)

    assert traces[0] != traces[1]


def test_a_process_that_is_killed_at_an_edge_does_nothing_more_and_its_message_comes_again(
    place: Site,
) -> None:
    with World(place, 2, desk=DESK) as world:
        world.run_until(world.now + timedelta(seconds=20))
        order_id = plan_one(world)
        letter = world.queues.visible(Queue.ENTRIES)[0]

        dead = world.deliver(letter, world.worker("execute_orders"), kill_at=2)

        assert dead.outcome == "died"
        assert [edge for edge, _ in dead.passed] == [Edge.BEGIN, Edge.BEFORE_COMMIT]
        assert world.rows("select claim_token, status from orders where order_id = :id", id=order_id) == [
            {"claim_token": None, "status": "PLANNED"}
        ]
        assert letter not in world.queues.visible(Queue.ENTRIES)
        world.run_until(world.now + timedelta(minutes=5))
        assert statuses(world, "enter")[0] == "FILLED"


def test_a_process_that_is_killed_after_a_commit_leaves_what_it_committed(place: Site) -> None:
    with World(place, 2, desk=DESK) as world:
        world.run_until(world.now + timedelta(seconds=20))
        order_id = plan_one(world)
        letter = world.queues.visible(Queue.ENTRIES)[0]

        world.deliver(letter, world.worker("execute_orders"), kill_at=3)

        (row,) = world.rows("select claim_token, status from orders where order_id = :id", id=order_id)
        assert row["claim_token"] is not None


def test_two_deliveries_at_once_give_way_to_each_other(place: Site) -> None:
    with World(place, 3, desk=DESK) as world:
        world.run_until(world.now + timedelta(seconds=20))
        plan_one(world)
        first = world.queues.visible(Queue.ENTRIES)[0]
        twin = world.queues.put(Queue.ENTRIES, first.body)

        both = world.deliver_together(
            [(first, world.worker("execute_orders"), None), (twin, world.worker("execute_orders"), None)]
        )

        assert [each.outcome for each in both] == ["answered", "answered"]
        assert len(world.engine.journal.of("fill")) == 1
        names = [who for _, who, _ in world.trace if who.startswith("execute_orders")]
        assert len([1 for earlier, later in pairwise(names) if earlier != later]) > 2


def plan_one(world: World) -> str:
    """Carry a post up to its planned entry, whose ring is left lying in the queue; returns the entry's id."""
    world.publish(AUTHORS[0], CALL)
    for function, queue in (
        ("ingest_posts", None),
        ("classify_posts", Queue.POSTS),
        ("generate_signals", Queue.CALLS),
    ):
        letters = world.queues.visible(queue) if queue else []
        worker = world.worker(function)
        done = world.deliver(letters, worker) if letters else world.invoke(worker)
        assert done.outcome == "answered", (function, done)
    return world.queues.visible(Queue.ENTRIES)[0].row
