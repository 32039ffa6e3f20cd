"""The five figures of the demo, and the sentences behind those that are not clean. Pure.

The rules: one venue fill set per intent; a resting stop within five seconds; positions and profits that are
the venue's own.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from local.audit.books import last_mismatches, profit_differences, trips, worst_mismatches
from local.audit.exposure import longest_gaps
from local.audit.intents import extra_fill_sets, fills_without_order, our_fills
from local.audit.model import LONGEST_UNPROTECTED_S, Checks, Ledger, VenueEvent
from outcry.runtime.clock import from_milliseconds

CENT = Decimal("0.01")
ZERO = Decimal(0)


def check(events: Sequence[VenueEvent], ledger: Ledger, *, until_ms: int) -> Checks:
    """Audit everything up to `until_ms` (Unix milliseconds of venue time)."""
    events = [event for event in events if event.time_ms <= until_ms]
    fills = our_fills(events, ledger)
    orphans = fills_without_order(fills, ledger)
    extra = extra_fill_sets(fills, ledger)
    gaps = longest_gaps(events, ledger.addresses, until_ms=until_ms)
    mismatches = [*worst_mismatches(events, ledger), *last_mismatches(events, ledger, until_ms=until_ms)]
    profits = profit_differences(trips(events, ledger), until_ms=until_ms)
    findings = [
        *(
            f"{_at(fill.time_ms)} {fill.place[1]}: a fill of {fill.fields['sz']} {orphan.why}"
            for orphan in orphans
            for fill in (orphan.fill,)
        ),
        *extra,
        *(
            f"{_at(gap.from_ms)} {gap.place[1]}: {gap.lasting_ms / 1000:.1f} s without a stop at the venue"
            for gap in gaps
            if gap.lasting_ms > LONGEST_UNPROTECTED_S * 1000
        ),
        *(
            f"{_at(m.time_ms)} {m.place[1]}: venue {m.venue_size}, {m.counted} of the ledger {m.ledger_size}"
            for m in mismatches
        ),
        *(f"{what}: profit differs by {usd} USD" for what, usd in profits if usd.quantize(CENT) > 0),
    ]
    return Checks(
        venue_fills_without_order=len(orphans),
        orders_with_more_than_one_fill_set=len(extra),
        seconds_owned_without_venue_stop_max=max((gap.lasting_ms for gap in gaps), default=0) / 1000,
        ledger_vs_venue_position_mismatch=max((m.difference for m in mismatches), default=ZERO),
        pnl_vs_venue_difference_usd=max((usd for _, usd in profits), default=ZERO).quantize(CENT),
        findings=tuple(findings),
        paper_positions=ledger.paper_positions,
        paper_fills=ledger.paper_fills,
        audited_to=from_milliseconds(until_ms),
    )


def _at(time_ms: int) -> str:
    return (from_milliseconds(0) + timedelta(milliseconds=time_ms)).strftime("%H:%M:%S")
