"""Told stories: what a seed draws by chance, once and on purpose, with what came of it in words."""

import logging
from datetime import timedelta

from local.audit.judge import judge
from local.audit.store import events_of, read_facts
from local.simulation.desks import AUTHORS, desk
from local.simulation.world import Site, World, site
from outcry.runtime.observability import logger

NAMES = ("lost-reply",)
_SEED = 1
_CALL = "LONG BTC 60k, SL 58.9k, TP 63k/65k, 5x"


def main(name: str) -> int:
    """Tell a story; 0 where it ended well."""
    assert name in NAMES
    logger.setLevel(logging.CRITICAL)
    with site() as place:
        lines, is_well = lost_reply(place)
    print("\n".join(lines))
    return 0 if is_well else 1


def lost_reply(place: Site, seed: int = _SEED) -> tuple[list[str], bool]:
    """The venue executes an entry, and its answer is lost: what a bot that asks again blindly fills twice."""
    with World(place, seed, desk=desk()) as world:
        world.run_until(world.now + timedelta(seconds=40))
        world.publish(AUTHORS[0], _CALL)
        world.control("fault", on="exchange", do="drop_after_commit", match={"type": "order"})
        world.run_until(world.now + timedelta(minutes=3))
        lines = [f"post: {_CALL}"]
        lines += _story(world)
        entries = [fill for fill in world.engine.journal.of("fill") if fill["dir"].startswith("Open")]
        tracked = world.rows("select size, status from positions where is_owned and status = 'OPEN'")
        stops = world.rows(
            "select 1 from orders where kind = 'protect' and leg = 'stop' and status = 'RESTING'"
        )
        at_venue = [
            order
            for account in world.engine.venue.accounts.values()
            for order in account.open_orders.values()
            if order.trigger is not None and order.trigger.tpsl == "sl"
        ]
        struck = world.engine.faults.counts["drop_after_commit"]
        facts = read_facts(
            world.database, events_of(world.engine.journal.records), until_ms=world.engine.advance()
        )
        violations = judge(facts).violations
    is_well = (struck, len(entries), len(tracked), len(stops), len(at_venue)) == (
        1,
        1,
        1,
        1,
        1,
    ) and not violations
    lines += [f"violation: {violation}" for violation in violations]
    if is_well:
        lines.append("one dropped reply: one fill, tracked, with its stop")
    else:
        lines.append(
            f"dropped replies {struck}, fills {len(entries)}, tracked positions {len(tracked)}, stops {len(at_venue)}"
        )
    return lines, is_well


def _story(world: World) -> list[str]:
    """Each request with what became of it, and each order."""
    requests = world.rows(
        """
        select orders.kind as of_kind, leg, actions.kind, actions.status, sends, acked_size
          from actions join orders using (order_id) order by prepared_at, nonce
        """
    )
    orders = world.rows("select kind, leg, status, size, filled_size from orders order by created_at, leg")
    return [
        *(
            f"request {row['kind']} of {row['of_kind']} {row['leg']}: {row['status']}, sent {row['sends']} times"
            + (f", executed {row['acked_size'].normalize()}" if row["acked_size"] else "")
            for row in requests
        ),
        *(f"order {row['kind']} {row['leg']}: {row['status']}" for row in orders),
    ]
