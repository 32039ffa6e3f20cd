"""Which token a piece of text names. Pure.

Promises: cashtags, hashtags and pair forms always name a token; a bare word does so only where a venue lists
it (or it is a
major) and, if it is also an everyday word, only in capitals and where a trade verb governs it
(`needs_government`).
Contract addresses never name a token. Whether a venue lists the token is decided later, by `signals`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from outcry.calls.lexicon import COMMON_WORDS, set_of

STABLECOINS = set_of(
    "USDC USDT USD DAI BUSD FRAX TUSD FDUSD PYUSD USDE USDS USDD GUSD LUSD SUSDE USDB USD0 USDH"
)

# Renamed tokens, with the year of the change: the old name still stands in posts.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "XBT": "BTC",  # ISO-style code, never a name of its own
        "MATIC": "POL",  # September 2024
        "FTM": "S",  # January 2025
        "RNDR": "RENDER",  # July 2024
    }
)

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "bitcoin": "BTC",
        "ethereum": "ETH",
        "ether": "ETH",
        "solana": "SOL",
        "ripple": "XRP",
        "cardano": "ADA",
        "dogecoin": "DOGE",
        "chainlink": "LINK",
        "avalanche": "AVAX",
        "polkadot": "DOT",
        "litecoin": "LTC",
        "toncoin": "TON",
        "hyperliquid": "HYPE",
        "arbitrum": "ARB",
        "aptos": "APT",
        "uniswap": "UNI",
        "polygon": "POL",
        "fantom": "S",
        "stellar": "XLM",
        "tron": "TRX",
        "monero": "XMR",
        "zcash": "ZEC",
        "worldcoin": "WLD",
        "celestia": "TIA",
        "injective": "INJ",
        "filecoin": "FIL",
        "ethena": "ENA",
        "dogwifhat": "WIF",
        "starknet": "STRK",
        "kaspa": "KAS",
        "pepe": "PEPE",
        "bonk": "BONK",
        "shib": "SHIB",
    }
)
MAJORS = set_of("BTC ETH SOL XRP ADA DOGE LTC BNB AVAX")

# One symbol, several tokens: refused, with the candidates named.
AMBIGUOUS: Mapping[str, tuple[str, ...]] = MappingProxyType({"LIT": ("Lighter", "Litentry")})

_THOUSAND = Decimal(1000)
_ONE = Decimal(1)
_SYMBOL = re.compile(r"[A-Z0-9]{1,20}\Z")
_QUOTE = re.compile(r"(.{1,20}?)\s?[/_-]?\s?\$?(USDT|USDC|FDUSD|BUSD|DAI|USD|PERP)(?:[-_.: ]?(?:PERP|P))?\Z")


@dataclass(frozen=True, slots=True)
class Symbol:
    """A token as text names it: canonical symbol, and how many tokens one unit of the written name is (1 or
    1000).
    """

    token: str
    unit: Decimal = _ONE


@dataclass(frozen=True, slots=True)
class ListedMarket:
    """A venue's market for a token: its name there, and how many tokens one unit is (kPEPE: 1000)."""

    market: str
    unit: Decimal


@dataclass(frozen=True, slots=True)
class TickerBook:
    """The names that venues list, and the rules that turn written text into canonical symbols."""

    listed: Mapping[str, ListedMarket]
    _words: Mapping[str, Symbol] = field(repr=False)

    @classmethod
    def from_markets(cls, names: Iterable[str]) -> "TickerBook":
        """A book of a venue's market names (`BTC`, `kPEPE`, ...).

        Names of another form (`xyz:TSLA`, `PURR/USDC`) are left out: they are not perpetuals of the venue's
        own universe.
        """
        listed: dict[str, ListedMarket] = {}
        words: dict[str, Symbol] = {}
        for name in sorted(set(names)):
            if not name.isascii() or not name.isalnum() or len(name) > 20:
                continue
            symbol = _plain_symbol(name)
            listed[symbol.token] = ListedMarket(name, symbol.unit)
            words[symbol.token] = Symbol(symbol.token)
            words[name.upper()] = symbol
        for token in MAJORS:
            words.setdefault(token, Symbol(token))
        for word, token in ALIASES.items():
            words.setdefault(word, Symbol(token))
        for name, token in NAMES.items():
            words.setdefault(name.upper(), Symbol(token))
        return cls(MappingProxyType(listed), MappingProxyType(words))

    def symbol(self, written: str) -> Symbol | None:
        """The token that a tagged or paired name means (`$link`, `BTC/USDT`, `#1000PEPE`), listed or not;
        None: not a name.
        """
        name = written.lstrip("$#")
        known = self._words.get(name.upper())
        if known is not None:
            return known
        if not name.isascii():
            return None
        bare = name.upper()
        if bare not in STABLECOINS and (paired := _QUOTE.match(bare)) is not None:
            base = name[: len(paired[1])]
            known = self._words.get(base.upper())
            return known or (_plain_symbol(base) if _SYMBOL.match(base.upper()) else None)
        return _plain_symbol(name) if _SYMBOL.match(bare) else None

    def word(self, written: str) -> Symbol | None:
        """The token that a bare word names, or None. Words for which `needs_government` holds count only in
        capitals.
        """
        known = self._words.get(written.upper())
        if known is not None:
            return known if written.isupper() or not needs_government(written) else None
        unit_name = written.upper()
        return (
            Symbol(unit_name)
            if unit_name in STABLECOINS and unit_name != "USD" and written.isupper()
            else None
        )

    def is_listed(self, token: str) -> bool:
        """Whether any market that the book was made of trades the canonical token."""
        return token in self.listed

    def price_factor(self, token_as_written: str, token: str) -> Decimal:
        """What a price in the post is multiplied by to be a price of the listed market.

        PEPE written, kPEPE listed: 1000. kPEPE written and listed: 1. Not listed: 1. (Hyperliquid docs,
        contract
        specifications: the k prefix means 1000 units.)
        """
        market = self.listed.get(token)
        written = self.symbol(token_as_written)
        if market is None or written is None:
            return _ONE
        return market.unit / written.unit


def needs_government(word: str) -> bool:
    """Whether the word is also an everyday word (`LINK`, `NEAR`, `OP`) or too short to stand alone."""
    return len(word) < 3 or word.lower() in COMMON_WORDS


def is_stablecoin(token: str) -> bool:
    """Whether the canonical token is a stablecoin: it is recognised, and never worth a position."""
    return token in STABLECOINS


def _plain_symbol(name: str) -> Symbol:
    unit = _ONE
    if name.startswith("1000") and len(name) > 4 and not name[4:].isdigit():
        name, unit = name[4:], _THOUSAND
    elif len(name) > 2 and name[0] == "k" and name[1:].isupper():
        name, unit = name[1:], _THOUSAND
    token = name.upper()
    return Symbol(ALIASES.get(token, token), unit)
