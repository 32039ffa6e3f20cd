"""`python -m local load`: 10,000 orders through sixteen workers, on one signer and on many, then exits under an entry flood.

Promises: real Postgres with fsync on, the local venue in a process of its own, workers that are processes with a connection each;
bounded by orders and time. Figures are told and never judged; what was lost or done twice is, and makes the exit code 1.
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from random import Random
from statistics import median, quantiles

from local.load import store
from local.load.crew import Crew, crew_of
from local.load.desks import MARKETS, Place, places
from local.load.rounds import Driver, TooSlow
from local.load.stage import Stage, stage_of
from local.load.verify import Account, verify
from outcry.runtime.queues import Queue

ENTRY_WORKERS, EXIT_WORKERS = 6, 8  # MaximumConcurrency of the two queues in template.yaml
_EXIT_EVERY_S = 0.25
_LEFT_FOR_EXITS = ("SOL", "BTC", "ETH")  # to get warm, alone, under the flood
_ONE_SIGNER_SHARE = 10  # of so many orders one goes through the single signer


def main(arguments: list[str]) -> int:
    """Run as the arguments say; the exit code."""
    options = _options(arguments)
    logging.getLogger("outcry").setLevel(logging.CRITICAL)
    began = time.monotonic()
    until = began + options.limit_s
    with stage_of(options.accounts + 1, random=Random(options.seed)) as stage:
        try:
            for phase in (_one_signer, _many_signers, _flood) if options.orders else (_flood,):
                phase(stage, options, until)
        except TooSlow as slow:
            _say(f"stopped: {slow}")
            _tell(verify(stage))
            return 1
        found = verify(stage)
        _tell(found)
        _say(
            f"{found.orders} orders, {found.requests} requests of {found.signers} signers, {time.monotonic() - began:.0f} s:"
            f" {len(found.faults)} faults"
        )
    return 1 if found.faults else 0


# ─── throughput ─────────────────────────────────────────────────────────────────────────────────────────────


def _one_signer(stage: Stage, options: argparse.Namespace, until: float) -> None:
    number = options.accounts + 1
    here = [Place(number, market) for market in MARKETS]
    _through(stage, options, until, here, options.orders // _ONE_SIGNER_SHARE, "one signer")


def _many_signers(stage: Stage, options: argparse.Namespace, until: float) -> None:
    here = places(options.accounts)
    _through(stage, options, until, here, options.orders, f"{options.accounts} signers")


def _through(
    stage: Stage, options: argparse.Namespace, until: float, here: Sequence[Place], orders: int, name: str
) -> None:
    setups = stage.setups(Queue.EXITS, options.workers)
    random = Random(options.seed)
    with crew_of(setups, shared=True, random=random, twice=options.twice, database=stage.database) as crew:
        before, began = _orders(stage), time.monotonic()
        Driver(stage, crew, until).rounds(here, orders=orders, at_once=options.workers * 2)
        took_s, made = time.monotonic() - began, _orders(stage) - before
    with stage.database.transaction() as tx:
        entries = store.entry_latencies_s(tx)
    _say(
        f"{name}: {made} orders through {options.workers} workers in {took_s:.1f} s, {made / took_s:.1f} orders/s;"
        f" one message {_spread(crew.took_s[Queue.EXITS])}; entry to resting stop so far {_spread(entries)};"
        f" {_counts(crew)}"
    )


# ─── the flood ──────────────────────────────────────────────────────────────────────────────────────────────


def _flood(stage: Stage, options: argparse.Namespace, until: float) -> None:
    """The same exits at the same pace, first alone, then while every entry worker has a backlog on every signer."""
    warm, quiet, flooded = (places(options.accounts, (market,)) for market in _LEFT_FOR_EXITS)
    others = places(options.accounts, tuple(m for m in MARKETS if m not in _LEFT_FOR_EXITS))
    setups = [
        *stage.setups(Queue.ENTRIES, options.entry_workers, niceness=options.entry_niceness),
        *stage.setups(Queue.EXITS, EXIT_WORKERS),
    ]
    with crew_of(setups, shared=False, random=Random(options.seed), twice=0, database=stage.database) as crew:
        driver = Driver(stage, crew, until)
        driver.enter([*warm, *quiet, *flooded])
        driver.until_held([*warm, *quiet, *flooded])
        driver.exits_at(warm, every_s=_EXIT_EVERY_S)
        alone = _latencies(stage, driver.exits_at(quiet, every_s=_EXIT_EVERY_S))
        driver.enter(others[: options.flood])
        waited = driver.waiting_entries()
        beside = _latencies(stage, driver.exits_at(flooded, every_s=_EXIT_EVERY_S))
        left = driver.waiting_entries()
        driver.leave_all([*warm, *quiet, *flooded, *others])
    _say(f"exits, row planned to fill recorded, quiet: {_spread(alone)}")
    _say(
        f"exits under an entry flood on {options.accounts} signers ({options.entry_workers} entry workers at niceness"
        f" {options.entry_niceness}, {EXIT_WORKERS} exit workers; {waited} entries waiting at its start, {left} at its end):"
        f" {_spread(beside)}"
    )
    _say(f"ratio of the medians {median(beside) / median(alone):.2f}")


def _latencies(stage: Stage, window: tuple[datetime, datetime]) -> list[float]:
    with stage.database.transaction() as tx:
        return store.exit_latencies_s(tx, since=window[0], until=window[1])


# ─── told ───────────────────────────────────────────────────────────────────────────────────────────────────


def _orders(stage: Stage) -> int:
    with stage.database.transaction() as tx:
        return store.total_orders(tx)


def _tell(found: Account) -> None:
    ends = ", ".join(f"{end} {count}" for end, count in sorted(found.by_end.items()))
    _say(f"orders by their end: {ends}")
    _say(f"audit: {found.looked_at} things looked at")
    for fault in found.faults[:20]:
        _say(f"FAULT {fault}")


def _counts(crew: Crew) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(crew.counts.items()))


def _spread(seconds: Sequence[float]) -> str:
    if len(seconds) < 2:
        return "not measured"
    parts = quantiles(seconds, n=100)
    return f"p50 {parts[49] * 1000:.0f} ms, p95 {parts[94] * 1000:.0f} ms, p99 {parts[98] * 1000:.0f} ms (n={len(seconds)})"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make load",
        description="An order is one intent of the ledger: an entry, its stop, its take-profit step, its exit.",
    )
    parser.add_argument(
        "--orders",
        type=int,
        default=10_000,
        help="through the many signers, and a tenth more through one; 0: the flood alone",
    )
    parser.add_argument(
        "--workers", type=int, default=16, help="processes, each with a connection of its own"
    )
    parser.add_argument(
        "--accounts", type=int, default=50, help="accounts, and so signers, beside the single one"
    )
    parser.add_argument(
        "--twice", type=float, default=0.05, help="the share of messages that are delivered twice"
    )
    parser.add_argument(
        "--flood", type=int, default=400, help="entries that wait when the flooded exits begin"
    )
    parser.add_argument("--entry-workers", type=int, default=ENTRY_WORKERS)
    parser.add_argument(
        "--entry-niceness",
        type=int,
        default=19,
        help="how far entry workers stand back: Lambda gives each function a processor",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--limit-s",
        type=float,
        default=1500,
        help="after so many seconds the run stops and says what was left",
    )
    return parser.parse_args(arguments)
