"""The end of a run, in words: what was heard and done, and whether the books are the venue's. Pure."""

from collections.abc import Iterator
from datetime import timedelta

from local.audit.model import LONGEST_UNPROTECTED_S, Checks
from local.demo.report import exit_reasons, skip_reasons
from local.demo.store import Story
from local.dispatcher.dispatcher import Tally
from outcry.runtime.database import Row


def lines_of(
    story: Story, checks: Checks, tally: Tally, *, market_time: timedelta, took_s: float
) -> Iterator[str]:
    """The summary, line by line."""
    live = [row for row in story.positions if row["venue"] != "paper"]
    paper = [row for row in story.positions if row["venue"] == "paper"]
    taken = sum(row["status"] == "TAKEN" for row in story.signals)
    yield ""
    yield f"{_minutes(market_time)} of market time in {took_s:.0f} s, {sum(tally.runs.values())} runs of functions"
    yield (
        f"{len(story.posts)} posts, {len(story.calls)} calls, {len(story.signals)} signals "
        f"({taken} taken, {len(story.signals) - taken} skipped), {len(story.fills)} fills"
    )
    yield f"not done because of: {', '.join(skip_reasons(story)) or 'nothing'}"
    closed = ", ".join(f"{count} x {reason}" for reason, count in sorted(exit_reasons(story).items()))
    yield f"closed by: {closed or 'nothing'}"
    for name, rows in (("live", live), ("paper", paper)):
        done = [row["realised_pnl_usd"] for row in rows if row["realised_pnl_usd"] is not None]
        still = [f"{row['side']} {row['market']}" for row in rows if row["closed_at"] is None]
        left = f"; left open with their stops: {', '.join(still)}" if still else ""
        yield f"{name}: {len(rows)} positions, {sum(done):+.2f} USD realised{left}"
    for row in story.positions:
        yield f"  {_position(row)}"
    if tally.failures:
        yield f"{len(tally.failures)} runs failed and were repeated, the first: {tally.failures[0].error}"
    yield from audit_lines(checks)


def _position(row: Row) -> str:
    name = row["deployment_id"] or row["account_id"]
    prices = " to ".join(
        f"{price.normalize():f}" for price in (row["entry_price"], row["exit_price"]) if price is not None
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
    ):
        yield f"  {'ok    ' if is_clean else 'BROKEN'} {what}"
    for finding in checks.findings:
        yield f"         {finding}"


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.0f} min"
