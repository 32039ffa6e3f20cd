"""How large an entry is, and at which leverage: from what may be lost at its stop.

Pure. Promises:
- The loss at the stop is at most equity x risk_frac x |score|, with fees and slippage of entry and exit.
- More conviction never gives less size, and no input gives more than a cap leaves or the free margin carries.
- Sizes round down. A trade below the venue's minimum is refused with the sum that it would need; it is never
  raised to the minimum (F-30).
- At the leverage chosen the stop lies well before liquidation; where even 1x is too much, nothing is traded.

The score scales the risk: an agent whose evidence is worth 0.5 risks half of its `risk_frac`.

Liquidation (Hyperliquid docs, margining): isolated, maintenance margin m = 1 / (2 x the market's maximum
leverage). A LONG is liquidated (1/L - m) / (1 - m) below its entry, a SHORT (1/L - m) / (1 + m) above it. The
SHORT's distance is the smaller one and is used for both.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal, localcontext

from outcry.runtime.reasons import Reason

WELL_BEFORE = Decimal("1.5")  # liquidation lies at least this many stop distances away
_PRECISION = 60
_ONE = Decimal(1)
_MICRO = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class SizeInputs:
    """What sizes an entry, read just before it: fractions in 0..1, dollars, the mark in quote units.

    `stop_frac` sizes (the largest of the agent's stop, the post's and the minimum); `exit_stop_frac` is the
    farthest stop that will be set (the agent's own). `cap_usd` is the notional that the limits leave.
    `fee_frac` is the highest taker fee for one fill, `slippage_frac` how much worse than expected each fill
    may be.
    """

    equity_usd: Decimal
    free_usd: Decimal
    mark: Decimal
    score: Decimal
    risk_frac: Decimal
    stop_frac: Decimal
    exit_stop_frac: Decimal
    liquidation_buffer_frac: Decimal
    fee_frac: Decimal
    slippage_frac: Decimal
    cap_usd: Decimal
    max_leverage: int
    market_max_leverage: int
    size_decimals: int
    minimum_usd: Decimal


@dataclass(frozen=True, slots=True)
class Sized:
    """An entry's size in units of the market, and what it costs at the worst fill that slippage allows.

    `notional_usd` is at the mark, `worst_notional_usd`, `margin_usd` (fee included) and `risk_usd` (the loss
    at the stop) at the worst fill: these are what an approval reserves. `bound_by` is risk, cap or margin.
    """

    size: Decimal
    leverage: int
    notional_usd: Decimal
    worst_notional_usd: Decimal
    margin_usd: Decimal
    risk_usd: Decimal
    bound_by: str


@dataclass(frozen=True, slots=True)
class TooSmall:
    """No entry: why, in words, and the sum that would be needed (None where no sum would help)."""

    reason: Reason
    detail: str
    needed_usd: Decimal | None


def size_entry(inputs: SizeInputs) -> Sized | TooSmall:
    """The largest entry that risk, limits and margin allow."""
    leverage = safe_leverage(inputs)
    if leverage is None:
        detail = f"even at 1x a stop {inputs.exit_stop_frac:f} away lies too near to the liquidation price"
        return TooSmall(Reason.STOP_BEYOND_LIQUIDATION, detail, None)
    with localcontext(prec=_PRECISION, rounding=ROUND_DOWN):
        worst_fill = _ONE + inputs.slippage_frac
        loss_frac = worst_loss_frac(inputs)
        margin_frac = worst_fill * (1 + leverage * inputs.fee_frac) / leverage
        room = {
            "risk": max(inputs.equity_usd, Decimal(0))
            * inputs.risk_frac
            * min(abs(inputs.score), _ONE)
            / loss_frac,
            "cap": max(inputs.cap_usd, Decimal(0)) / worst_fill,
            "margin": max(inputs.free_usd, Decimal(0))
            * leverage
            / (worst_fill * (1 + leverage * inputs.fee_frac)),
        }
        bound_by = min(room, key=lambda name: room[name])
        size = (room[bound_by] / inputs.mark).quantize(_lot(inputs), ROUND_DOWN)
        notional_usd = size * inputs.mark
        if notional_usd < inputs.minimum_usd or size == 0:
            return _too_small(inputs, leverage, bound_by, room[bound_by])
        return Sized(
            size=size,
            leverage=leverage,
            notional_usd=notional_usd,
            worst_notional_usd=notional_usd * worst_fill,
            margin_usd=(notional_usd * margin_frac).quantize(_MICRO),
            risk_usd=(notional_usd * loss_frac).quantize(_MICRO),
            bound_by=bound_by,
        )


def worst_loss_frac(inputs: SizeInputs) -> Decimal:
    """What is lost at the stop at worst, as a fraction of the notional at the mark.

    The entry fills `slippage_frac` beyond the mark, the stop lies `stop_frac` from that fill and fills
    `slippage_frac` beyond itself; the fee is paid on both fills, and a SHORT's exit costs more than its
    entry.
    """
    distance = inputs.stop_frac + inputs.slippage_frac
    return (1 + inputs.slippage_frac) * (distance + inputs.fee_frac * (2 + distance))


def liquidation_frac(leverage: int, market_max_leverage: int) -> Decimal:
    """How far from the entry an isolated position is liquidated, as a fraction of the entry price."""
    maintenance = _ONE / (2 * market_max_leverage)
    return (_ONE / leverage - maintenance) / (1 + maintenance)


def safe_leverage(inputs: SizeInputs) -> int | None:
    """The highest leverage within the caps that keeps the stop well before liquidation; None where none
    does.
    """
    needed = inputs.exit_stop_frac * WELL_BEFORE + inputs.slippage_frac + inputs.liquidation_buffer_frac
    for leverage in range(max(min(inputs.max_leverage, inputs.market_max_leverage), 1), 0, -1):
        if liquidation_frac(leverage, inputs.market_max_leverage) >= needed:
            return leverage
    return None


def _too_small(inputs: SizeInputs, leverage: int, bound_by: str, possible_usd: Decimal) -> TooSmall:
    """What the smallest trade that the venue takes would need of whatever kept this one below it."""
    lots = (inputs.minimum_usd / inputs.mark).quantize(_lot(inputs), ROUND_CEILING)
    smallest = max(lots, _lot(inputs)) * inputs.mark
    possible = f"{possible_usd:.2f}"
    if bound_by == "margin":
        needed = _cents_up(smallest * (1 + inputs.slippage_frac) * (_ONE / leverage + inputs.fee_frac))
        detail = (
            f"the free margin carries ${possible}: the smallest trade of ${smallest:.2f} needs ${needed} free"
        )
        return TooSmall(Reason.MARGIN_TOO_LOW, detail, needed)
    if bound_by == "cap":
        needed = _cents_up(smallest * (1 + inputs.slippage_frac))
        detail = f"the limits leave ${possible}: the smallest trade needs ${needed} of them"
        return TooSmall(Reason.SIZE_BELOW_MINIMUM, detail, needed)
    share = inputs.risk_frac * min(abs(inputs.score), _ONE)
    if share == 0:
        return TooSmall(Reason.SIZE_BELOW_MINIMUM, "the score leaves no risk to take", None)
    needed = _cents_up(smallest * worst_loss_frac(inputs) / share)
    detail = (
        f"the risk allows ${possible}: the smallest trade of ${smallest:.2f} needs an equity of ${needed}"
    )
    return TooSmall(Reason.SIZE_BELOW_MINIMUM, detail, needed)


def _lot(inputs: SizeInputs) -> Decimal:
    return _ONE.scaleb(-inputs.size_decimals)


def _cents_up(amount: Decimal) -> Decimal:
    """Dollars rounded up to the cent: what is asked for is never too little."""
    return amount.quantize(Decimal("0.01"), ROUND_CEILING)
