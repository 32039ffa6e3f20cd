"""The end of a run, in words: what was heard and done, and whether the books are the venue's. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from local.audit.model import LONGEST_UNPROTECTED_S, Checks
from local.demo.inputs import counted
from local.demo.report import exit_reasons, skip_reasons
from local.demo.store import Story
from local.demo.story import price
from local.dispatcher.dispatcher import Tally
from outcry.runtime.database import Row


def lines_of(
    story: Story,
    checks: Checks,
    tally: Tally,
    *,
    market_time: timedelta,
    took_s: float,
    remarks: Iterable[str] = (),
) -> Iterator[str]:
    """The summary, line by line; `remarks` stand below the counts."""
    live = [row for row in story.positions if row["venue"] != "paper"]
    paper = [row for row in story.positions if row["venue"] == "paper"]
    taken = sum(row["status"] == "TAKEN" for row in story.signals)
    yield ""
    yield f"{_minutes(market_time)} of market time in {took_s:.0f} s, {sum(tally.runs.values())} runs of functions"
    yield (
        f"{counted(len(story.posts), 'post')}, {counted(len(story.calls), 'call')}, "
        f"{counted(len(story.signals), 'signal')} ({taken} taken, {len(story.signals) - taken} skipped), "
        f"{counted(len(story.fills), 'fill')}"
    )
    yield from remarks
    yield f"not done because of: {', '.join(skip_reasons(story)) or 'nothing'}"
    closed = ", ".join(f"{count} x {reason}" for reason, count in sorted(exit_reasons(story).items()))
    yield f"closed by: {closed or 'nothing'}"
    for name, rows in (("live", live), ("paper", paper)):
        done = [row["realised_pnl_usd"] for row in rows if row["realised_pnl_usd"] is not None]
        yield f"{name}: {counted(len(rows), 'position')}, {sum(done):+.2f} USD realised{_left_open(story, rows)}"
    for row in story.positions:
        yield f"  {_position(row)}"
    if tally.failures:
        yield f"{counted(len(tally.failures), 'failed run')}, repeated; the first: {tally.failures[0].error}"
    yield from audit_lines(checks)


def _left_open(story: Story, rows: Sequence[Row]) -> str:
    """The positions that are still held, and whether their stops rest."""
    resting = {
        order["position_id"]
        for order in story.orders
        if order["kind"] == "protect" and order["leg"] == "stop" and order["status"] == "RESTING"
    }
    said = ""
    for name, is_resting in (("with a stop that rests", True), ("WITHOUT A STOP", False)):
        held = [
            f"{row['side']} {row['market']}"
            for row in rows
            if row["closed_at"] is None and (row["position_id"] in resting) is is_resting
        ]
        said += f"; left open {name}: {', '.join(held)}" if held else ""
    return said


def _position(row: Row) -> str:
    name = row["deployment_id"] or row["account_id"]
    prices = " to ".join(
        price(known) for known in (row["entry_price"], row["exit_price"]) if known is not None
    )
    earned = "" if row["realised_pnl_usd"] is None else f" {row['realised_pnl_usd']:+9.2f} USD"
    return f"{name:<16} {row['side']:<5} {row['market']:<9} {prices:<22}{earned} {row['exit_reason'] or row['status']}"


def audit_lines(checks: Checks) -> Iterator[str]:
    """What the auditor found, from the venue's journal and the ledger alone, on live accounts."""
    yield "audit of the live accounts, worst after any venue event:"
    for is_clean, what in (
        (
            checks.venue_fills_without_order == 0,
            f"{checks.venue_fills_without_order} venue fills without an order",
        ),
        (
            checks.orders_with_more_than_one_fill_set == 0,
            f"{checks.orders_with_more_than_one_fill_set} intents with more than one fill set",
        ),
        (
            checks.seconds_owned_without_venue_stop_max <= LONGEST_UNPROTECTED_S,
            f"{checks.seconds_owned_without_venue_stop_max:.1f} s at most without a stop at the venue",
        ),
        (
            checks.ledger_vs_venue_position_mismatch == 0,
            f"{checks.ledger_vs_venue_position_mismatch} difference in size between ledger and venue",
        ),
        (
            checks.pnl_vs_venue_difference_usd == 0,
            f"{checks.pnl_vs_venue_difference_usd} USD difference in profit between ledger and venue",
        ),
        (
            not checks.violations,
            f"{counted(len(checks.violations), 'violation')} of {checks.invariants} invariants, judged on {checks.judged} things",
        ),
    ):
        yield f"  {'ok    ' if is_clean else 'BROKEN'} {what}"
    for finding in (*checks.findings, *checks.violations):
        yield f"         {finding}"


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.0f} min"
