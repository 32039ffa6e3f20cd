"""Routes /info requests to their answers.

Promises: an unknown type or a malformed field is a 422, an unknown user an empty answer. Never changes the
venue.
Source: Hyperliquid docs, info-endpoint.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from local.hyperliquid import info_market as market_answers
from local.hyperliquid import info_user as user_answers
from local.hyperliquid.accounts import Account
from local.hyperliquid.answers import BadRequest, Json
from local.hyperliquid.canonical import address
from local.hyperliquid.past import SHOWN_LATE, as_of
from local.hyperliquid.state import Venue

_ABOUT_MARKETS: dict[str, Callable[[Venue, Json], Any]] = {
    "meta": lambda venue, _: market_answers.meta(venue),
    "spotMeta": lambda _venue, _body: market_answers.SPOT_META,
    "perpDexs": lambda _venue, _body: [None],
    "metaAndAssetCtxs": lambda venue, _: market_answers.meta_and_contexts(venue),
    "allMids": lambda venue, _: market_answers.all_mids(venue),
    "l2Book": market_answers.l2_book,
    "candleSnapshot": market_answers.candles,
    "fundingHistory": market_answers.funding_history,
    "exchangeStatus": lambda venue, _: {"specialStatuses": None, "time": venue.now_ms},
}
_ABOUT_USERS: dict[str, Callable[[Venue, Account, Json], Any]] = {
    "clearinghouseState": lambda venue, account, _: user_answers.clearinghouse_state(venue, account),
    "spotClearinghouseState": lambda _venue, account, _body: user_answers.spot_state(account),
    "openOrders": lambda _venue, account, _body: user_answers.open_orders(account),
    "frontendOpenOrders": lambda _venue, account, _body: user_answers.frontend_open_orders(account),
    "orderStatus": user_answers.order_status,
    "historicalOrders": lambda _venue, account, _body: user_answers.historical_orders(account),
    "userFills": user_answers.user_fills,
    "userFillsByTime": user_answers.user_fills_by_time,
    "userFunding": user_answers.user_funding,
    "userNonFundingLedgerUpdates": user_answers.ledger_updates,
    "userFees": lambda venue, account, _: user_answers.user_fees(venue, account),
    "userRateLimit": lambda venue, account, _: user_answers.user_rate_limit(venue, account),
    "userRole": lambda venue, account, _: user_answers.user_role(venue, account.address),
    "extraAgents": lambda venue, account, _: user_answers.extra_agents(venue, account.address),
    "activeAssetData": user_answers.active_asset_data,
    "userAbstraction": lambda _venue, account, _body: account.abstraction,
    "subAccounts": lambda venue, account, _: user_answers.sub_accounts(venue, account),
}


def _max_builder_fee(account: Account, body: Json) -> int:
    rate = account.builders.get(address(body.get("builder")), "0%")
    return int(Decimal(rate.removesuffix("%")) * 1000)


def _delay_ms(venue: Venue, kind: str) -> int:
    """How far behind readers of this type are by the switches of the venue."""
    if kind not in SHOWN_LATE:
        return 0
    switches = venue.config.switches
    return switches.state_lag_ms if kind == "clearinghouseState" else switches.orders_lag_ms


def answer(venue: Venue, body: Any, *, as_of_ms_ago: int = 0) -> Any:
    """The JSON answer to one request; of those that can be shown late, as of `as_of_ms_ago`, or of the
    venue's own lag if that is longer. Raises `BadRequest`."""
    kind = body.get("type") if isinstance(body, dict) else None
    if not isinstance(kind, str):
        raise BadRequest.schema()
    if kind in _ABOUT_MARKETS:
        return _ABOUT_MARKETS[kind](venue, body)
    if kind != "maxBuilderFee" and kind not in _ABOUT_USERS:
        raise BadRequest.schema()
    user = address(body.get("user"))
    account = venue.account(user) or Account(user)
    if kind == "maxBuilderFee":
        return _max_builder_fee(account, body)
    late_ms = max(as_of_ms_ago, _delay_ms(venue, kind))
    if late_ms and kind in SHOWN_LATE:
        return as_of(venue, account, kind, venue.now_ms - late_ms)
    return _ABOUT_USERS[kind](venue, account, body)
