"""What a position's fills add up to: size, average prices, fees and profit. Pure.

Source of the sums: a position that is flat earned what its sells brought less what its buys cost, less fees, plus
funding. Nothing else enters: no mark, no acknowledgement, no intention.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from outcry.runtime.side import Side

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class BookedFill:
    """A fill as the book needs it. `fee_usd` above zero is a cost."""

    is_buy: bool
    price: Decimal
    size: Decimal
    fee_usd: Decimal


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a venue acknowledged for one request, and how much of it the fill feed has listed so far."""

    is_buy: bool
    acked_size: Decimal
    listed_size: Decimal


@dataclass(frozen=True, slots=True)
class Tally:
    """The sums over one position. `gross_pnl_usd` is final only when `size` is zero."""

    size: Decimal
    opened_size: Decimal
    closed_size: Decimal
    entry_price: Decimal | None
    exit_price: Decimal | None
    fees_usd: Decimal
    gross_pnl_usd: Decimal


def tally(side: Side, fills: Iterable[BookedFill]) -> Tally:
    """Add up the fills of one position."""
    opened = closed = opened_usd = closed_usd = fees = ZERO
    for fill in fills:
        fees += fill.fee_usd
        if fill.is_buy == (side is Side.LONG):
            opened += fill.size
            opened_usd += fill.size * fill.price
        else:
            closed += fill.size
            closed_usd += fill.size * fill.price
    entry = opened_usd / opened if opened else None
    exit_ = closed_usd / closed if closed else None
    matched = min(opened, closed)
    gross = (exit_ - entry) * matched * side.sign if entry is not None and exit_ is not None else ZERO
    if opened == closed:
        gross = (closed_usd - opened_usd) * side.sign
    return Tally(opened - closed, opened, closed, entry, exit_, fees, gross)


def unlisted(side: Side, acknowledged: Iterable[Acknowledged]) -> Decimal:
    """The signed size (above zero: more of our side) that was acknowledged but is not in the fill feed yet."""
    size = ZERO
    for ack in acknowledged:
        missing = max(ack.acked_size - ack.listed_size, ZERO)
        size += missing if ack.is_buy == (side is Side.LONG) else -missing
    return size


def realised(gross_pnl_usd: Decimal, fees_usd: Decimal, funding_usd: Decimal) -> Decimal:
    """Profit of a flat position in US dollars: fills, fees and funding."""
    return gross_pnl_usd - fees_usd + funding_usd
