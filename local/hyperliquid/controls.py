"""The /_sim controls: what only whoever runs the venue can do. They exist because it is never deployed.

Promises: each control is one POST with a JSON object and answers one JSON object; a wrong field is a 422
with a sentence that names it. Never part of the real venue's surface.

- fund {user, usdc}                         transfer {user, usdc (signed)} | {from, to, usdc}
- approve_agent {master, agent, name?, valid_until_ms?}       agent_revoke {agent}
- mark {market, mark, oracle?}              book {market, bids?, asks?} rows of [px, sz]; both absent: reset
- funding_rate {market, rate}               advance {}  (plays events up to the clock)
- trade_by_hand {user, coin, is_buy, sz, limit_px?, reduce_only?}    cancel_by_hand {user, oid}
- hand {user, coin, act, ...} see `hand`    faults {}  (how often each kind of fault struck)
- abstraction {user, mode}                  switch {name: value, ...}
- fault {"on": "exchange"|"info"} see `faults`, {"on": "venue"} see `events`; {"clear": true} removes those
  of the wire that still wait                                       reset {}       dump {}
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from local.hyperliquid import hand
from local.hyperliquid.accounts import Account
from local.hyperliquid.actions import move_cash
from local.hyperliquid.answers import BadRequest, Json, Refused
from local.hyperliquid.canonical import address
from local.hyperliquid.clockwork import apply_mark
from local.hyperliquid.decimals import wire
from local.hyperliquid.info_user import clearinghouse_state, free_collateral, frontend_open_orders
from local.hyperliquid.market import Market
from local.hyperliquid.past import remember
from local.hyperliquid.resting import end
from local.hyperliquid.state import Venue


def wrong(field: str, fix: str) -> BadRequest:
    return BadRequest(422, f"{field}: {fix}")


def money(body: Json, field: str, *, positive: bool = True) -> Decimal:
    try:
        value = Decimal(str(body[field]))
    except (KeyError, InvalidOperation) as fault:
        raise wrong(field, "needs a decimal number as a string") from fault
    if not value.is_finite() or (positive and value <= 0):
        raise wrong(field, "needs a positive number")
    return value


def _market(venue: Venue, body: Json, field: str = "market") -> Market:
    market = venue.by_name.get(str(body.get(field)))
    if market is None:
        raise wrong(field, "names no market of this venue")
    return market


def _user(body: Json, field: str = "user") -> str:
    try:
        return address(body.get(field))
    except BadRequest as fault:
        raise wrong(field, "needs a 0x address of 40 hex digits") from fault


def fund(venue: Venue, body: Json) -> Json:
    account = venue.ensure_account(_user(body))
    move_cash(venue, account, money(body, "usdc"), "deposit")
    return {"user": account.address, "usdc": wire(account.usdc)}


def transfer(venue: Venue, body: Json) -> Json:
    if "from" in body:
        usdc = money(body, "usdc")
        move_cash(venue, venue.ensure_account(_user(body, "from")), -usdc, "send")
        move_cash(venue, venue.ensure_account(_user(body, "to")), usdc, "send")
        return {}
    account = venue.ensure_account(_user(body))
    usdc = money(body, "usdc", positive=False)
    move_cash(venue, account, usdc, "deposit" if usdc > 0 else "withdraw")
    return {"user": account.address, "usdc": wire(account.usdc)}


def approve_agent(venue: Venue, body: Json) -> Json:
    master, agent = _user(body, "master"), _user(body, "agent")
    name, until = body.get("name") or "", body.get("valid_until_ms")
    full_name = f"{name} valid_until {until}" if until is not None else name
    account = venue.account(master)
    try:
        venue.agents.approve(
            master,
            agent,
            full_name,
            venue.now_ms,
            volume=account.volume_usd if account else Decimal(0),
            sub_accounts=len(account.sub_names) if account else 0,
            taken=agent in venue.accounts,
        )
    except Refused as refusal:
        raise wrong("agent", refusal.text) from refusal
    return {"master": master, "agent": agent}


def agent_revoke(venue: Venue, body: Json) -> Json:
    return {"revoked": venue.agents.revoke(_user(body, "agent"), venue.now_ms)}


def mark(venue: Venue, body: Json) -> Json:
    market = _market(venue, body)
    oracle = money(body, "oracle") if "oracle" in body else None
    apply_mark(venue, market, money(body, "mark"), oracle)
    return {"market": market.name, "mark": wire(market.mark)}


def book(venue: Venue, body: Json) -> Json:
    """Fix one or both sides of a book until it is reset."""
    market = _market(venue, body)
    market.refresh()
    market.overrides.clear()
    for is_bid, field in ((True, "bids"), (False, "asks")):
        if field in body:
            market.overrides[is_bid] = [(Decimal(str(px)), Decimal(str(sz))) for px, sz in body[field]]
    return {"market": market.name}


def funding_rate(venue: Venue, body: Json) -> Json:
    market = _market(venue, body)
    market.funding_rate = money(body, "rate", positive=False)
    return {"market": market.name, "rate": wire(market.funding_rate)}


def trade_by_hand(venue: Venue, body: Json) -> Json:
    """An order of the account's owner from elsewhere: an IOC at any sane price unless `limit_px` is given."""
    account, market = venue.ensure_account(_user(body)), _market(venue, body, "coin")
    is_buy = body.get("is_buy")
    if not isinstance(is_buy, bool):
        raise wrong("is_buy", "needs true or false")
    status = hand.send(
        venue,
        account,
        market,
        is_buy=is_buy,
        size=money(body, "sz"),
        limit=money(body, "limit_px") if "limit_px" in body else None,
        reduce_only=bool(body.get("reduce_only", False)),
    )
    return {"status": status}


def by_hand(venue: Venue, body: Json) -> Json:
    """What the account's owner does at another screen; see `hand`."""
    return hand.act(venue, venue.ensure_account(_user(body)), _market(venue, body, "coin"), body)


def cancel_by_hand(venue: Venue, body: Json) -> Json:
    account = venue.ensure_account(_user(body))
    order = account.open_orders.get(int(str(body.get("oid", -1))))
    if order is not None:
        remember(venue, account)
        end(venue, account, order, "canceled")
    return {"cancelled": order is not None}


def abstraction(venue: Venue, body: Json) -> Json:
    account = venue.ensure_account(_user(body))
    account.abstraction = str(body.get("mode", "default"))
    return {"user": account.address, "mode": account.abstraction}


def _dump_account(venue: Venue, account: Account) -> Json:
    return {
        "usdc": wire(account.usdc),
        "spot_usdc": wire(account.spot_usdc),
        "free_collateral": free_collateral(venue, account),
        "volume_usd": wire(account.volume_usd),
        "requests_used": account.requests_used,
        "state": clearinghouse_state(venue, account),
        "open_orders": frontend_open_orders(account),
        "fills": account.fills,
        "fundings": account.fundings,
    }


def dump(venue: Venue, body: Json) -> Json:
    return {
        "time_ms": venue.now_ms,
        "marks": {market.name: wire(market.mark) for market in venue.markets},
        "accounts": {key: _dump_account(venue, account) for key, account in venue.accounts.items()},
    }


CONTROLS: dict[str, Callable[[Venue, Json], Json]] = {
    "fund": fund,
    "transfer": transfer,
    "approve_agent": approve_agent,
    "agent_revoke": agent_revoke,
    "mark": mark,
    "book": book,
    "funding_rate": funding_rate,
    "trade_by_hand": trade_by_hand,
    "cancel_by_hand": cancel_by_hand,
    "hand": by_hand,
    "abstraction": abstraction,
    "dump": dump,
}


def control(venue: Venue, name: str, body: Any) -> Json:
    """Carry out one control. Raises `BadRequest` for an unknown one or a wrong field."""
    if name not in CONTROLS:
        raise BadRequest(404, f"no control named {name}")
    if not isinstance(body, dict):
        raise wrong("body", "needs a JSON object")
    return CONTROLS[name](venue, body)
