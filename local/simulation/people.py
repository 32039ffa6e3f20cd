"""What people do at our desk in a simulation: controls, an exit, a new key, a redrive. Each as the command line does it."""

from uuid import UUID

from local.simulation.world import World
from outcry.controls import operate
from outcry.controls.model import UnknownScope
from outcry.custody.keyring import revoke_signer, signers_of
from outcry.orders.plan import plan_exit
from outcry.positions import store as positions_store
from outcry.positions.model import GONE
from outcry.runtime.leases import CALLS, NOTICES, ORDERS, POSTS, redrive
from outcry.runtime.queues import Queue, Ring
from outcry.runtime.reasons import Reason

_BY = "a person"
_MODES = {"pause": operate.pause, "flatten": operate.flatten, "halt": operate.halt}


def control(world: World, mode: str, scope: str) -> bool:
    """Pause, flatten or halt a scope; False where it stood already or names nothing."""
    try:
        with world.database.transaction() as tx:
            return _MODES[mode](tx, scope, "simulated", _BY, world.now)
    except UnknownScope:
        return False


def resume(world: World, scope: str) -> None:
    """Lift whatever stands on this scope."""
    with world.database.transaction() as tx:
        operate.resume(tx, scope, _BY, world.now)


def close(world: World, pick: int) -> UUID | None:
    """Close one of the positions that we hold, and ring for it; None where there is none."""
    held = world.rows(
        "select position_id from positions where is_owned and size > 0 order by created_at, position_id"
    )
    if not held:
        return None
    position_id = held[pick % len(held)]["position_id"]
    with world.database.transaction() as tx:
        position = positions_store.load(tx, position_id, lock=True)
        if position is None or position.status in GONE or position.deployment_id is None:
            return None
        order_id = plan_exit(tx, position, Reason.PERSON, now=world.now, trace_id=world.new_id().hex)
    world.queues.put(Queue.EXITS, Ring(str(order_id), position.trace_id).body())
    return order_id


def rotate(world: World, account_id: str, address: str) -> str | None:
    """Give the account a new key in the slot that is free, and stop the old one; returns the new signer's id."""
    with world.database.transaction() as tx:
        before = [signer for signer in signers_of(tx, account_id) if signer.status != "REVOKED"]
    taken = {signer.slot for signer in before}
    free = next((slot for slot in (1, 2) if slot not in taken), None)
    if free is None:
        return None
    made = world.give_signer(account_id, address, free)
    with world.database.transaction() as tx:
        for signer in before:
            revoke_signer(tx, signer.signer_id, now=world.now)
    return made


def redrive_all(world: World) -> int:
    """Let every row go on that was set aside, and move every dead letter back; returns how many of both."""
    moved = world.queues.redrive()
    for what in (POSTS, CALLS, ORDERS, NOTICES):
        aside = world.rows(f"select {what.key} as key from {what.table} where quarantined_at is not null")
        with world.database.transaction() as tx:
            moved += redrive(tx, what, [row["key"] for row in aside], now=world.now)
    return moved


def ring_everything(world: World) -> int:
    """Ring once more for every order that there ever was, done or not; returns for how many."""
    orders = world.rows("select order_id, kind, trace_id from orders order by created_at, order_id")
    for order in orders:
        queue = Queue.ENTRIES if order["kind"] == "enter" else Queue.EXITS
        world.queues.put(queue, Ring(str(order["order_id"]), order["trace_id"]).body())
    return len(orders)
