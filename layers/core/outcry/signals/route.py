"""Where an agent trades a token on an account: the market, and what its prices are counted in.

Pure. Promises: a token is never matched to a market by resemblance, only by its name or as a thousand of its
units (PEPE trades as kPEPE at a thousand times the price); a SHORT never goes to spot; a paper account stands
in for any venue of the agent's, and no live account for paper. What was looked at and passed over is
returned.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side

PAPER = "paper"
SPOT = "spot"
THOUSAND = Decimal(1000)
# worth a dollar or a euro by design: a call about one is no trade
STABLECOINS = frozenset(
    {
        "USDC",
        "USDT",
        "DAI",
        "BUSD",
        "FRAX",
        "USDE",
        "SUSDE",
        "USDS",
        "TUSD",
        "FDUSD",
        "PYUSD",
        "USDD",
        "USDP",
        "GUSD",
        "LUSD",
        "RLUSD",
        "USD0",
        "USD1",
        "USDH",
        "USDB",
        "FEUSD",
        "CRVUSD",
        "GHO",
        "EURC",
        "EURT",
        "EURS",
    }
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A market as its venue last listed it."""

    venue: str
    network: str
    market: str
    max_leverage: int
    is_delisted: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """A venue that was looked at, and why it was passed over (None: it is the one)."""

    venue: str
    why_not: str | None


@dataclass(frozen=True, slots=True)
class Route:
    """The market to trade. A price stated for the token, times `price_scale`, is a price of this market."""

    venue: str
    network: str
    market: str
    price_scale: Decimal
    max_leverage: int
    checked: tuple[Checked, ...]


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Nowhere to trade it, with every venue that was checked."""

    reason: Reason
    checked: tuple[Checked, ...]


def is_stablecoin(token: str) -> bool:
    """Whether the token is a stablecoin."""
    return token.upper() in STABLECOINS


def route(
    token: str,
    side: Side,
    *,
    agent_venues: tuple[str, ...],
    account_venue: str,
    account_network: str,
    listed: Iterable[Listed],
) -> Route | NoRoute:
    """The first of the agent's venues that this account can trade the token on."""
    here = {
        each.market: each
        for each in listed
        if each.venue == account_venue and each.network == account_network and not each.is_delisted
    }
    checked: list[Checked] = []
    reason = Reason.MARKET_NOT_LISTED
    for venue in agent_venues:
        if venue == SPOT and side is Side.SHORT:
            checked.append(Checked(venue, "a SHORT cannot be sold on spot"))
            reason = Reason.SIDE_NOT_ALLOWED if len(agent_venues) == 1 else reason
        elif account_venue not in {venue, PAPER}:
            checked.append(Checked(venue, f"the account trades on {account_venue}"))
        elif (found := _market(token, here)) is None:
            checked.append(
                Checked(venue, f"{account_venue} on {account_network} lists no market for {token}")
            )
        else:
            market, scale = found
            checked.append(Checked(venue, None))
            return Route(
                account_venue, account_network, market.market, scale, market.max_leverage, tuple(checked)
            )
    return NoRoute(reason, tuple(checked))


def market_names(token: str) -> tuple[str, ...]:
    """The names under which a market of this token may be listed: its own, and a thousand of its units."""
    upper = token.upper()
    names = (token, upper, f"k{upper}", f"k{upper[1:]}" if upper.startswith("K") else upper)
    return tuple(dict.fromkeys(names))


def _market(token: str, here: dict[str, Listed]) -> tuple[Listed, Decimal] | None:
    upper = token.upper()
    for name in (token, upper):
        if name in here:
            return here[name], Decimal(1)
    if f"k{upper}" in here:
        return here[f"k{upper}"], THOUSAND
    # the author wrote the market's own name, KPEPE: its prices are the market's
    if upper.startswith("K") and f"k{upper[1:]}" in here:
        return here[f"k{upper[1:]}"], Decimal(1)
    return None
