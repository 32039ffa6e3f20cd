"""What goes wrong at the venue itself, at a moment of block time: {"on": "venue", "do": ..., "after_ms": 0}.

Promises: an event happens at its moment, is journalled (`event`) and counted by its kind; one that finds
nothing to happen to (no position, no agent, no stop) does nothing and is not counted. What lasts does so for
"ms" of block time and is undone to the letter. Whom it meets is `user`, `coin` or `agent` where given, else
the one at `pick` modulo those there are. Never waits, never draws.

post_only         only post-only orders are taken
index_lag         orderStatus knows an order `lag_ms` after it was placed
fills_late        a fill is listed after `lag_ms`, each further one of its order `step_ms` later
state_late        account states and open orders are shown as of `lag_ms` ago
thin_book         a level holds `usd`; without `coin` in every market
no_liquidity      one side (`side`: "bids" | "asks") or both of a book are empty; without `coin` everywhere
stop_unfilled     a triggered market order finds no liquidity and ends
agent_revoked     the agent's approval is gone; agent_expired: its end is now; agent_pruned: the venue forgets
                  it. `orders`: "kept" | "cancelled" says what becomes of those that it signed
clock_skew        the venue's clock is `skew_ms` ahead of ours (block time never falls, it stands still)
budget_exhausted  the account has no request left but one in ten seconds
liquidation       a position, or the whole cross account, is taken over as if its margin had run out
hand              the account's owner trades: `act` and its fields as in `hand`
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from local.hyperliquid import hand
from local.hyperliquid.accounts import Account
from local.hyperliquid.agents import Agent
from local.hyperliquid.answers import BadRequest, Json
from local.hyperliquid.limits import request_cap
from local.hyperliquid.liquidation import liquidate
from local.hyperliquid.market import Market
from local.hyperliquid.past import remember
from local.hyperliquid.resting import is_stop
from local.hyperliquid.state import Venue

Happening = Literal[
    "post_only",
    "index_lag",
    "fills_late",
    "state_late",
    "thin_book",
    "no_liquidity",
    "stop_unfilled",
    "agent_revoked",
    "agent_expired",
    "agent_pruned",
    "clock_skew",
    "budget_exhausted",
    "liquidation",
    "hand",
]
_BIDS = {"bids": (True,), "asks": (False,), "both": (True, False)}


class Event(BaseModel):
    """One event; see the module's head. Durations in ms of block time."""

    model_config = ConfigDict(extra="forbid")

    on: Literal["venue"]
    do: Happening
    kind: str = ""
    ms: int = Field(default=0, ge=0)
    after_ms: int = Field(default=0, ge=0)
    lag_ms: int = Field(default=0, ge=0)
    step_ms: int = Field(default=0, ge=0)
    skew_ms: int = 0
    user: str | None = None
    coin: str | None = None
    agent: str | None = None
    pick: int = Field(default=0, ge=0)
    usd: str = "150"
    side: Literal["bids", "asks", "both"] = "both"
    orders: Literal["kept", "cancelled"] | None = None
    act: Literal["buy", "sell", "order", "close", "cancel_stops", "cancel_all"] = "buy"
    is_buy: bool = True
    away_bps: str = "100"


class Events:
    """Makes events happen. `at` plans something for a moment; `window` holds switches for a while."""

    def __init__(
        self,
        venue: Venue,
        counts: Counter[str],
        at: Callable[[int, Callable[[], object]], None],
        window: Callable[[int, Json], None],
    ) -> None:
        self._venue, self._counts, self._at, self._window = venue, counts, at, window

    def begin(self, body: Any) -> Json:
        """Plan one event, or make it happen now. Raises `BadRequest` (422) that names the field."""
        try:
            event = Event.model_validate(body)
        except ValidationError as fault:
            first = fault.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise BadRequest(422, f"{where}: {first['msg']}") from fault
        if event.after_ms:
            self._at(self._venue.now_ms + event.after_ms, lambda: self._happen(event))
            return {"planned_ms": self._venue.now_ms + event.after_ms}
        self._happen(event)
        return {}

    def _happen(self, event: Event) -> None:
        what = self._switches(event)
        if what is not None:
            self._window(event.ms, what)
            found: Json | None = what
        else:
            found = _ON_STATE[event.do](self, event)
        if found is None:
            return
        self._counts[event.kind or event.do] += 1
        self._venue.note("event", what=event.do, **found)

    def _switches(self, event: Event) -> Json | None:
        """The switches that this event holds while it lasts, or None for one that changes the state."""
        by_event: dict[str, Json] = {
            "post_only": {"post_only_phase": True},
            "index_lag": {"order_status_lag_ms": event.lag_ms},
            "fills_late": {"fills_lag_ms": event.lag_ms, "fills_step_ms": event.step_ms},
            "state_late": {"state_lag_ms": event.lag_ms, "orders_lag_ms": event.lag_ms},
            "stop_unfilled": {"triggers_find_nothing": True},
            "clock_skew": {"clock_skew_ms": event.skew_ms},
        }
        return by_event.get(event.do)

    # ─── whom it meets ──────────────────────────────────────────────────────────────────────────────────────

    def _markets(self, event: Event) -> list[Market]:
        if event.coin is None:
            return self._venue.markets
        market = self._venue.by_name.get(event.coin)
        return [market] if market is not None else []

    def _agent(self, event: Event) -> Agent | None:
        live = [a for a in self._venue.agents.live() if event.agent in (None, a.address)]
        return live[event.pick % len(live)] if live else None

    def _account(self, event: Event) -> Account | None:
        named = None if event.user is None else event.user.lower()
        found = [a for key, a in sorted(self._venue.accounts.items()) if named in (None, key)]
        return found[event.pick % len(found)] if found else None

    def _held(self, event: Event, wanted: Callable[[Account, str], bool]) -> tuple[Account, Market] | None:
        """An account and a market of which `wanted` is true."""
        named = None if event.user is None else event.user.lower()
        found = [
            (account, market)
            for key, account in sorted(self._venue.accounts.items())
            for market in self._markets(event)
            if named in (None, key) and wanted(account, market.name)
        ]
        return found[event.pick % len(found)] if found else None

    # ─── what it does ───────────────────────────────────────────────────────────────────────────────────────

    def _thin_book(self, event: Event) -> Json | None:
        usd = hand.number({"usd": event.usd}, "usd")
        markets = [market for market in self._markets(event) if market.level_usd is None]
        for market in markets:
            market.level_usd = usd
            market.refresh()
        self._at(self._venue.now_ms + event.ms, partial(_restore_depth, markets))
        return {"usd": event.usd, "coin": event.coin} if markets else None

    def _no_liquidity(self, event: Event) -> Json | None:
        sides = [
            (market, is_bid)
            for market in self._markets(event)
            for is_bid in _BIDS[event.side]
            if is_bid not in market.empty
        ]
        for market, is_bid in sides:
            market.empty.add(is_bid)
        self._at(self._venue.now_ms + event.ms, partial(_restore_sides, sides))
        return {"side": event.side, "coin": event.coin} if sides else None

    def _end_agent(self, event: Event) -> Json | None:
        agent = self._agent(event)
        if agent is None:
            return None
        if event.do == "agent_expired":
            self._venue.agents.expire(agent.address, self._venue.now_ms)
        else:
            status = "revoked" if event.do == "agent_revoked" else "pruned"
            remember(self._venue, self._venue.ensure_account(agent.master))
            self._venue.agents.revoke(agent.address, self._venue.now_ms, status, event.orders)
        return {"user": agent.master, "agent": agent.address}

    def _exhaust(self, event: Event) -> Json | None:
        account = self._account(event)
        if account is None:
            return None
        missing = max(0, request_cap(self._venue.config.switches, account) - account.requests_used)
        account.requests_used += missing
        account.over_budget_ms = self._venue.now_ms

        def give_back() -> None:
            account.requests_used -= missing

        self._at(self._venue.now_ms + event.ms, give_back)
        return {"user": account.address}

    def _liquidate(self, event: Event) -> Json | None:
        met = self._held(event, lambda account, coin: account.szi(coin) != 0)
        if met is None:
            return None
        account, market = met
        liquidate(self._venue, account, market)
        return {"user": account.address, "coin": market.name}

    def _by_hand(self, event: Event) -> Json | None:
        met = self._held(event, _has_what_the_hand_needs(self._venue, event))
        if met is None:
            return None
        account, market = met
        body = event.model_dump(include={"act", "usd", "is_buy", "away_bps"})
        result = hand.act(self._venue, account, market, body)
        return {"user": account.address, "coin": market.name, "act": event.act, "result": result}


def _restore_depth(markets: Sequence[Market]) -> None:
    for market in markets:
        market.level_usd = None
        market.refresh()


def _restore_sides(sides: Sequence[tuple[Market, bool]]) -> None:
    for market, is_bid in sides:
        market.empty.discard(is_bid)


def _has_what_the_hand_needs(venue: Venue, event: Event) -> Callable[[Account, str], bool]:
    """Who closes needs a position, who cancels an order; who trades does so in the market that
    was named, or in any with a mark."""

    def needs(account: Account, coin: str) -> bool:
        orders = [order for order in account.open_orders.values() if order.coin == coin]
        if event.act == "cancel_stops":
            return any(map(is_stop, orders))
        if event.act == "cancel_all":
            return bool(orders)
        if event.act == "close":
            return account.szi(coin) != 0
        return event.coin is not None or venue.by_name[coin].priced

    return needs


_ON_STATE: dict[str, Callable[[Events, Event], Json | None]] = {
    "thin_book": Events._thin_book,
    "no_liquidity": Events._no_liquidity,
    "agent_revoked": Events._end_agent,
    "agent_expired": Events._end_agent,
    "agent_pruned": Events._end_agent,
    "budget_exhausted": Events._exhaust,
    "liquidation": Events._liquidate,
    "hand": Events._by_hand,
}
