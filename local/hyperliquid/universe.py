"""The default markets: names, indices, lot decimals and leverage as on the venue, books as we like them.

Promises: the position of an entry is its asset id for good; a delisted market keeps its place. Prices are
starting marks only, replaced by the first price event. Never read at run time by anything but the config.
"""

from decimal import Decimal
from typing import NamedTuple


class Listing(NamedTuple):
    """One default market. `level_usd` is the resting value of one book level in USD."""

    name: str
    sz_decimals: int
    max_leverage: int
    initial_mark: str
    level_usd: str = "250000"
    spread_bps: str = "1"
    only_isolated: bool = False
    delisted: bool = False


THIN_USD = "150"

LISTINGS: tuple[Listing, ...] = (
    Listing("BTC", 5, 40, "60000", "2000000", "0.2"),
    Listing("ETH", 4, 25, "3000", "1000000", "0.4"),
    Listing("ATOM", 2, 5, "6.5"),
    Listing("MATIC", 1, 20, "0.38", delisted=True),
    Listing("DYDX", 1, 5, "1.1"),
    Listing("SOL", 2, 20, "150", "500000", "0.6"),
    Listing("AVAX", 2, 10, "28"),
    Listing("BNB", 3, 10, "600"),
    Listing("APE", 1, 5, "0.9", THIN_USD, "40"),
    Listing("OP", 1, 10, "1.8"),
    Listing("LTC", 2, 10, "85"),
    Listing("ARB", 1, 10, "0.75"),
    Listing("DOGE", 0, 10, "0.15"),
    Listing("INJ", 1, 10, "22"),
    Listing("SUI", 1, 10, "1.9"),
    Listing("kPEPE", 0, 10, "0.0105"),
    Listing("CRV", 1, 10, "0.45"),
    Listing("LDO", 1, 10, "1.2"),
    Listing("LINK", 1, 10, "14"),
    Listing("STX", 1, 5, "1.5", THIN_USD, "40"),
    Listing("WIF", 0, 5, "2.1"),
    Listing("HYPE", 2, 10, "25"),
    Listing("PURR", 0, 3, "0.18", THIN_USD, "60", only_isolated=True),
    Listing("FARTCOIN", 1, 10, "1.0", "20000", "4"),
)

# Lower bound in USD of notional, and the leverage allowed from there on (docs, margin-tiers).
TIERS: dict[int, tuple[tuple[Decimal, int], ...]] = {
    40: ((Decimal(0), 40), (Decimal(150_000_000), 20)),
    25: ((Decimal(0), 25), (Decimal(100_000_000), 15)),
    20: ((Decimal(0), 20), (Decimal(70_000_000), 10)),
}


def tiers_for(max_leverage: int) -> tuple[tuple[Decimal, int], ...]:
    return TIERS.get(max_leverage, ((Decimal(0), max_leverage),))
