"""Draws a venue and its faults from a seed: everything that nobody has recorded, and everything that breaks.

Promises: all comes from the given `random.Random`, so one seed gives one venue and one series of faults;
every drawn value is within the bounds stated here; `KINDS` is the closed list of what `draw_fault` can give,
by the name that it is counted under. What is drawn happens on the clock alone, never by waiting.

Bounds: orderStatus lags at most 1.5 s, fills at most 3 s (and 1 s for each further one of an order), account
states and open orders at most 1.5 s by nature and, stale, 30 s and 4 s (a state tells its time, a list of
orders does not); clocks differ by at most 2 s; what breaks lasts at most two minutes.
"""

from collections.abc import Callable, Collection, Mapping
from random import Random
from typing import Any, NamedTuple

from local.hyperliquid.config import Switches

Body = dict[str, Any]
_READS = ("clearinghouseState", "frontendOpenOrders", "orderStatus", "userFillsByTime", "metaAndAssetCtxs")
_SENDS = ("order", "order", "order", "cancelByCloid", "cancel", "updateLeverage")
_SECOND = 1000


def _flip(random: Random) -> bool:
    return random.random() < 0.5


def draw_switches(random: Random) -> Switches:
    """A venue of which each unverified answer is drawn. The IP's weight limit is off: see kind `limited`."""
    return Switches(
        ip_limit=False,
        expired_burns_nonce=_flip(random),
        expired_costs=random.choice((1, 5)),
        order_status_lag_ms=random.choice((0, 0, 400, random.randrange(1500))),
        fills_lag_ms=random.choice((0, 0, 300, random.randrange(3000))),
        fills_step_ms=random.choice((0, 0, 0, random.randrange(1000))),
        state_lag_ms=random.choice((0, 0, random.randrange(1500))),
        orders_lag_ms=random.choice((0, 0, random.randrange(1500))),
        clock_skew_ms=random.choice((0, 0, random.randrange(-2000, 2001))),
        limited_commits=_flip(random),
        duplicate_below_floor=random.choice(("duplicate", "too_low")),
        duplicate_open_cloid=random.choice(("accept", "refuse")),
        replaced_agent_text=random.choice(("does_not_exist", "must_deposit")),
        l1_error_prefix=_flip(random),
        agent_expiry_lag_ms=random.choice((0, 60_000, 900_000)),
        prune_unfunded_agents=_flip(random),
        pruned_agent_orders=random.choice(("kept", "cancelled")),
        position_tpsl_zero_size=random.choice(("refuse", "whole")),
        position_tpsl_grows=_flip(random),
        failed_modify_keeps_old=_flip(random),
        partial_gtc_status=random.choice(("resting", "filled")),
        partial_ioc_status=random.choice(("filled", "canceled")),
        statuses_carry_cloid=_flip(random),
        prevalidation_shape=random.choice(("statuses", "err")),
        min_notional_price=random.choice(("limit", "mark")),
        no_match_before_min_notional=_flip(random),
        no_match_before_reduce_only=_flip(random),
        margin_before_min_notional=_flip(random),
        liquidation_before_triggers=_flip(random),
        older_reduce_only_limit_cancelled=_flip(random),
        older_stop_cancelled=random.random() < 0.25,
    )


class _Kind(NamedTuple):
    """How often a kind is drawn beside the others, and what it is made of."""

    weight: int
    make: Callable[[Random], Body]


def _send(do: str, **fixed: Any) -> Callable[[Random], Body]:
    """A fault of one signed request, or of a few."""
    return lambda random: {
        "on": "exchange",
        "do": do,
        "match": {"type": random.choice(_SENDS)},
        "skip": random.choice((0, 0, 0, 1, 2)),
        "times": random.choice((1, 1, 1, 2, 3)),
        **fixed,
    }


def _read(do: str, *, of: Collection[str] = _READS, **fixed: Any) -> Callable[[Random], Body]:
    """A fault of one query, or of a few."""
    return lambda random: {
        "on": "info",
        "do": do,
        "match": {"type": random.choice(sorted(of))},
        "skip": random.choice((0, 0, 1, 2)),
        "times": random.choice((1, 1, 2, 4)),
        **fixed,
    }


def _with(make: Callable[[Random], Body], **drawn: Callable[[Random], Any]) -> Callable[[Random], Body]:
    """`make` and fields of its own draws."""
    return lambda random: make(random) | {name: draw(random) for name, draw in drawn.items()}


def _venue(do: str, **drawn: Callable[[Random], Any]) -> Callable[[Random], Body]:
    """An event of the venue, soon; who is met is drawn as well."""
    base: Callable[[Random], Body] = lambda random: {  # noqa: E731
        "on": "venue",
        "do": do,
        "after_ms": random.choice((0, random.randrange(20 * _SECOND))),
        "pick": random.randrange(1000),
    }
    return _with(base, **drawn)


def _up_to(most_s: float) -> Callable[[Random], int]:
    return lambda random: random.randrange(1, int(most_s * _SECOND) + 1)


def _one_of(*values: Any) -> Callable[[Random], Any]:
    return lambda random: random.choice(values)


_lasts = _up_to(120)
_worth = _one_of("15", "60", "250", "900")

_KINDS: Mapping[str, _Kind] = {
    # the wire, on the way of a signed request
    "request_lost": _Kind(6, _send("drop_before_commit")),
    "reply_lost": _Kind(10, _send("drop_after_commit")),
    "committed_later": _Kind(10, _with(_send("commit_later"), ms=_up_to(40))),
    "limited": _Kind(4, _send("status", status=429)),
    "bad_gateway": _Kind(4, _with(_send("status", status=502), commit=_one_of(True, False))),
    "page_instead": _Kind(3, _with(_send("html"), commit=_one_of(True, False))),
    "answer_cut": _Kind(4, _send("truncate")),
    "delivered_twice": _Kind(
        6, _with(_send("deliver_twice"), ms=_one_of(0, 3000), reply=_one_of("first", "second", "none"))
    ),
    # the wire, on the way of a query
    "read_refused": _Kind(5, _with(_read("status"), status=_one_of(429, 502))),
    "read_unreadable": _Kind(3, _with(_read("truncate"), do=_one_of("truncate", "html"))),
    "read_lost": _Kind(3, _read("drop_before_commit")),
    "state_stale": _Kind(6, _with(_read("stale", of=("clearinghouseState",)), ms=_up_to(30))),
    "orders_stale": _Kind(4, _with(_read("stale", of=("frontendOpenOrders",)), ms=_up_to(4))),
    "state_incomplete": _Kind(
        4, _with(_read("omit", of=("clearinghouseState",), times=1), pick=lambda random: random.randrange(9))
    ),
    "orders_incomplete": _Kind(
        4, _with(_read("omit", of=("frontendOpenOrders",), times=1), pick=lambda random: random.randrange(9))
    ),
    # words that nobody has recorded
    "unknown_status": _Kind(2, _read("unknown_status", of=("orderStatus",))),
    "unknown_answer": _Kind(1, _send("unknown_status", times=1)),
    "unknown_text": _Kind(2, _with(_send("unknown_text", times=1), commit=_one_of(True, False))),
    "unknown_field": _Kind(3, _read("unknown_field")),
    # the venue itself
    "index_lag": _Kind(4, _venue("index_lag", ms=_lasts, lag_ms=_up_to(1.5))),
    "fills_late": _Kind(4, _venue("fills_late", ms=_lasts, lag_ms=_up_to(3))),
    "fills_one_by_one": _Kind(4, _venue("fills_late", ms=_lasts, lag_ms=_up_to(1), step_ms=_up_to(1))),
    "state_late": _Kind(3, _venue("state_late", ms=_lasts, lag_ms=_up_to(1.5))),
    "thin_book": _Kind(6, _venue("thin_book", ms=_lasts, usd=_worth)),
    "no_liquidity": _Kind(4, _venue("no_liquidity", ms=_up_to(60), side=_one_of("bids", "asks", "both"))),
    "stop_unfilled": _Kind(3, _venue("stop_unfilled", ms=_lasts)),
    "post_only": _Kind(2, _venue("post_only", ms=_lasts)),
    "clock_skew": _Kind(3, _venue("clock_skew", ms=_lasts, skew_ms=_one_of(-2000, 2000))),
    "budget_exhausted": _Kind(2, _venue("budget_exhausted", ms=_lasts)),
    "liquidation": _Kind(2, _venue("liquidation")),
    "agent_revoked": _Kind(1, _venue("agent_revoked")),
    "agent_expired": _Kind(1, _venue("agent_expired")),
    "agent_pruned": _Kind(1, _venue("agent_pruned", orders=_one_of("kept"))),
    "agent_pruned_with_orders": _Kind(1, _venue("agent_pruned", orders=_one_of("cancelled"))),
    # a person at another screen
    "hand_trades": _Kind(4, _venue("hand", act=_one_of("buy", "sell"), usd=_worth)),
    "hand_rests_order": _Kind(
        2,
        _venue(
            "hand",
            act=_one_of("order"),
            usd=_worth,
            is_buy=_one_of(True, False),
            away_bps=_one_of("5", "200"),
        ),
    ),
    "hand_closes": _Kind(2, _venue("hand", act=_one_of("close"))),
    "hand_cancels_stop": _Kind(3, _venue("hand", act=_one_of("cancel_stops"))),
}
KINDS: tuple[str, ...] = tuple(_KINDS)
# What an agent wallet cannot recover from without its owner: a run draws at most a few of these.
ENDS_SIGNER = frozenset({"agent_revoked", "agent_expired", "agent_pruned", "agent_pruned_with_orders"})


def draw_fault(random: Random, *, without: Collection[str] = ()) -> Body:
    """One fault, as the control `fault` takes it, of any kind but those in `without`."""
    kinds = [kind for kind in KINDS if kind not in without]
    kind = random.choices(kinds, [_KINDS[kind].weight for kind in kinds])[0]
    return make_fault(kind, random)


def make_fault(kind: str, random: Random) -> Body:
    """One fault of a given kind, with everything else about it drawn."""
    return {**_KINDS[kind].make(random), "kind": kind}
