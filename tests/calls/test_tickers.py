from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcry.calls.model import TOKEN
from outcry.calls.tickers import ALIASES, TickerBook, is_stablecoin, needs_government


@pytest.mark.parametrize(
    ("written", "token"),
    [
        ("BTC", "BTC"),
        ("$btc", "BTC"),
        ("#BTC", "BTC"),
        ("bitcoin", "BTC"),
        ("XBT", "BTC"),
        ("$MATIC", "POL"),
        ("RNDR", "RENDER"),
        ("$FTM", "S"),
        ("BTC/USDT", "BTC"),
        ("BTCUSDT", "BTC"),
        ("BTC-PERP", "BTC"),
        ("btc_usd", "BTC"),
        ("SOLUSDT.P", "SOL"),
        ("XBT/USD", "BTC"),
        ("kPEPE", "PEPE"),
        ("KPEPE", "PEPE"),
        ("1000PEPE", "PEPE"),
        ("1000PEPEUSDT", "PEPE"),
        ("$PEPE", "PEPE"),
        ("$ZZZX", "ZZZX"),
        ("ZZZX/USDT", "ZZZX"),
        ("kZZZX", "ZZZX"),
        ("$1INCH", "1INCH"),
        ("1000000", "1000000"),
        ("FDUSD", "FDUSD"),
    ],
)
def test_a_tagged_or_paired_name_means_its_canonical_token(
    book: TickerBook, written: str, token: str
) -> None:
    symbol = book.symbol(written)

    assert symbol is not None
    assert symbol.token == token


@pytest.mark.parametrize(
    "written", ["", "$", "B\u0422C", "$B TC", "A" * 21, "$BTC!", "\u0412\u0422\u0421", "!!/USDT"]
)
def test_what_is_not_ascii_letters_and_digits_is_no_symbol(book: TickerBook, written: str) -> None:
    assert book.symbol(written) is None


@pytest.mark.parametrize(
    ("written", "is_token"), [("BTC", True), ("btc", True), ("SCAM", False), ("USDT", True)]
)
def test_a_bare_word_is_a_token_only_where_it_is_listed(
    book: TickerBook, written: str, is_token: bool
) -> None:
    assert (book.word(written) is not None) is is_token


@pytest.mark.parametrize(
    ("written", "is_token"), [("LINK", True), ("link", False), ("NEAR", True), ("near", False)]
)
def test_an_everyday_word_is_a_token_in_capitals_alone(
    book: TickerBook, written: str, is_token: bool
) -> None:
    assert needs_government(written)
    assert (book.word(written) is not None) is is_token


def test_majors_are_known_before_any_market_was_read() -> None:
    empty = TickerBook.from_markets([])

    assert empty.word("BTC") is not None
    assert not empty.is_listed("BTC")


def test_names_of_other_universes_are_not_listed() -> None:
    book = TickerBook.from_markets(["xyz:TSLA", "PURR/USDC", "@107", "B\u0422C", "A" * 21])

    assert dict(book.listed) == {}


@pytest.mark.parametrize(
    ("written", "token", "factor"),
    [
        ("PEPE", "PEPE", 1000),
        ("kPEPE", "PEPE", 1),
        ("1000PEPE", "PEPE", 1),
        ("BTC", "BTC", 1),
        ("ZZZX", "ZZZX", 1),
    ],
)
def test_a_price_in_the_post_becomes_a_price_of_the_market(
    book: TickerBook, written: str, token: str, factor: int
) -> None:
    assert book.price_factor(written, token) == Decimal(factor)


def test_a_market_of_a_thousand_is_listed_under_its_token(book: TickerBook) -> None:
    assert book.listed["PEPE"].market == "kPEPE"
    assert book.listed["PEPE"].unit == 1000
    assert book.is_listed("PEPE")
    assert not book.is_listed("kPEPE")


def test_a_price_factor_of_a_name_that_is_none_is_one(book: TickerBook) -> None:
    assert book.price_factor("!", "PEPE") == 1


def test_stablecoins_are_recognised() -> None:
    assert is_stablecoin("USDC")
    assert not is_stablecoin("BTC")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=25))
def test_a_symbol_is_always_a_canonical_token(book: TickerBook, written: str) -> None:
    symbol = book.symbol(written)

    if symbol is not None:
        assert TOKEN.match(symbol.token)
        assert symbol.token not in ALIASES
        assert book.symbol(symbol.token) is not None
