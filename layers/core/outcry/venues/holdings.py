"""What a venue shows an account to hold. Pure data."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from outcry.runtime.side import Side


@dataclass(frozen=True, slots=True)
class Holding:
    """What the venue shows an account to hold in one market. `size` is signed: above zero is LONG."""

    market: str
    size: Decimal
    entry_price: Decimal
    leverage: Decimal
    is_isolated: bool
    liquidation_price: Decimal | None
    margin_used_usd: Decimal
    unrealised_pnl_usd: Decimal

    @property
    def side(self) -> Side:
        return Side.LONG if self.size > 0 else Side.SHORT


class Holdings(Mapping[str, Holding]):
    """What an account holds, by market: sizes and liquidation prices are at hand, a whole holding is made when it is asked for."""

    __slots__ = ("_make", "liquidation_prices", "sizes")

    def __init__(
        self,
        sizes: Mapping[str, Decimal],
        liquidation_prices: Mapping[str, Decimal],
        make: Callable[[str], Holding],
    ) -> None:
        """`make` is called for markets of `sizes` alone; a market whose liquidation price the venue does not name has none."""
        self.sizes = sizes
        self.liquidation_prices = liquidation_prices
        self._make = make

    @classmethod
    def of(cls, holdings: Mapping[str, Holding]) -> "Holdings":
        """Holdings that were all made already."""
        limits = {market: held.liquidation_price for market, held in holdings.items()}
        return cls(
            {market: held.size for market, held in holdings.items()},
            {market: limit for market, limit in limits.items() if limit is not None},
            holdings.__getitem__,
        )

    def __getitem__(self, market: str) -> Holding:
        if market not in self.sizes:
            raise KeyError(market)
        return self._make(market)

    def __iter__(self) -> Iterator[str]:
        return iter(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)
