"""Removes guards of our own code on purpose, inside a simulation's process, to show that the simulation notices.

Promises: never part of the product; replaces functions in a running process and touches no file. Each replaces something that is there
(else it raises), and takes away one guard alone, as somebody would by mistake. `KILLED_BY` holds seeds under which the audit finds a
violation with the guard removed, and none with it: tests play them again.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from local.simulation.jobs import results
from local.simulation.report import Result

KILLED_BY: Mapping[str, tuple[int, ...]] = {
    "claim": (6, 4),
    "stored-bytes": (4, 6),
    "nonce-row": (1, 4),
    "reduce-only": (1, 4),
    "protect-after-fill": (22, 9),
    "reservation": (12, 4),
    "fill-uniqueness": (1, 4),
    "in-flight": (310, 253),
}
NAMES = tuple(KILLED_BY)


def main(*, most: int, jobs: int) -> int:
    """Remove each guard in turn until a seed notices, and print which did. 0 where all were noticed within `most` seeds."""
    survivors = 0
    width = max(map(len, NAMES))
    print(f"{'guard removed':<{width}}  killed by   after  violation")
    for name in NAMES:
        began_s = time.monotonic()
        killer, played = _killer(name, most, jobs)
        survivors += killer is None
        seed = "nobody" if killer is None else f"seed {killer.seed}"
        said = "" if killer is None else killer.violations[0]
        print(
            f"{name:<{width}}  {seed:<10} {played:>3} in {time.monotonic() - began_s:.0f} s  {said[:150]}",
            flush=True,
        )
    print(f"mutants {len(NAMES)}, survivors {survivors}")
    return 1 if survivors else 0


def _killer(name: str, most: int, jobs: int) -> tuple[Result | None, int]:
    """The first seed that notices, the ones that did before first, and how many were played."""
    played = 0
    for seed in KILLED_BY[name]:
        for result in results(seed, 1, jobs=1, mutant=name):
            played += 1
            if result.violations:
                return result, played
    for result in results(1, most, jobs=jobs, mutant=name):
        played += 1
        if result.violations:
            return result, played
    return None, played


def apply(name: str) -> None:
    """Take the guard away in this process, for good."""
    _REMOVALS[name]()


def _ignore_claims() -> None:
    """Whoever rings takes the order and begins its work, also where somebody else holds it: as if no claim said otherwise."""
    from outcry.orders import store

    proper: Callable[..., Any] = store.claim

    def broken(tx: Any, order_id: Any, **how: Any) -> Any:
        tx.execute(
            """
            update orders set claim_token = null, claimed_until = null, attempt = attempt + 1
             where order_id = :id and claim_token is not null and finished_at is null
            """,
            id=order_id,
        )
        return proper(tx, order_id, **how)

    replaced(store, "claim", broken)


def _sign_again_on_retry() -> None:
    """A request that may have been sent goes out again with a new nonce, as if it had not."""
    from outcry.orders import resolve

    proper: Callable[..., Any] = resolve.Resolver._repeat

    def broken(resolver: Any, held: Any, venue: Any, action: Any, *rest: Any) -> Any:
        desk = resolver._desk
        signer = desk.signers.active(held.account)
        if signer is not None and action.signed is not None:
            with desk.database.transaction() as tx:
                nonce = desk.signers.next_nonce(tx, signer, now=desk.clock.now())
            signed = venue.sign(action.payload, nonce=nonce, expires_at=action.expires_at, signer=signer.key)
            action = replace(action, signed=signed)
        return proper(resolver, held, venue, action, *rest)

    replaced(resolve.Resolver, "_repeat", broken)


def _take_nonces_from_the_clock() -> None:
    """Each process takes its nonces from the clock alone."""
    from outcry.orders import signers
    from outcry.runtime.clock import to_milliseconds

    def broken(own: Any, tx: Any, signer: Any, *, now: Any) -> int:
        return to_milliseconds(now)

    replaced(signers.AccountSigners, "next_nonce", broken)


def _leave_out_reduce_only() -> None:
    """Exits and stops are sent as plain orders."""
    from outcry.venues.hyperliquid import wire

    proper: Callable[..., Any] = wire._order

    def broken(place: Any, market: Any) -> Any:
        action = proper(place, market)
        action["orders"][0]["r"] = False
        return action

    replaced(wire, "_order", broken)


def _leave_fills_unprotected() -> None:
    """What was filled is booked, and its stop is left to whoever may come by."""
    from outcry.orders import entry

    def broken(step: Any, *rest: Any) -> None:
        return None

    replaced(entry.EntryStep, "_open", broken)


def _forget_reservations() -> None:
    """An entry is sized as if no other had taken anything of the caps."""
    from outcry.orders import approval_store
    from outcry.orders.risk import Usage

    proper: Callable[..., Any] = approval_store.booked
    zero = Decimal(0)
    nothing = Usage(zero, zero, zero, zero, zero, 0)

    def broken(*rest: Any, **how: Any) -> Any:
        return replace(proper(*rest, **how), by_deployment=nothing, by_account=nothing)

    replaced(approval_store, "booked", broken)


def _book_what_is_listed() -> None:
    """A fill is told apart by when it was read, so that one that is read again is another."""
    from outcry.orders import fills_store

    proper: Callable[..., Any] = fills_store.insert_new

    def broken(tx: Any, account_id: str, venue: str, network: str, fills: Any, *, now: Any) -> Any:
        named = [replace(fill, fill_id=f"{fill.fill_id}-{now:%H%M}") for fill in fills]
        return proper(tx, account_id, venue, network, named, now=now)

    replaced(fills_store, "insert_new", broken)


def _conclude_in_flight() -> None:
    """A place is reconciled also while a request is on its way, or has just been answered."""
    from outcry.monitoring import reconcile

    proper: Callable[..., Any] = reconcile._place

    def broken(held: Any, size: Any, taken_at: Any) -> Any:
        return proper(replace(held, in_flight=False, changed_at=None), size, taken_at)

    replaced(reconcile, "_place", broken)


_REMOVALS: Mapping[str, Callable[[], None]] = {
    "claim": _ignore_claims,
    "stored-bytes": _sign_again_on_retry,
    "nonce-row": _take_nonces_from_the_clock,
    "reduce-only": _leave_out_reduce_only,
    "protect-after-fill": _leave_fills_unprotected,
    "reservation": _forget_reservations,
    "fill-uniqueness": _book_what_is_listed,
    "in-flight": _conclude_in_flight,
}


def replaced(owner: Any, name: str, broken: Callable[..., Any]) -> None:
    """Put `broken` in the place of what is there. Raises AssertionError where nothing is."""
    if not hasattr(owner, name):
        raise AssertionError(f"{owner} has no {name} to remove any more")
    setattr(owner, name, broken)
