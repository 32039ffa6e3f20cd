"""Request limits: weight per IP and minute, and lifetime actions per address.

Promises: time is block time, so an accelerated clock refills as fast as it runs; a refused action costs
nothing. Never looks into an action beyond its type and length.
Source: Hyperliquid docs, rate-limits-and-user-limits; recorded testnet answers for the address limit.
"""

from typing import Any

from local.hyperliquid import answers
from local.hyperliquid.accounts import Account
from local.hyperliquid.answers import BadRequest, Json, Refused
from local.hyperliquid.config import Switches

_PER_MINUTE = 1200
_MINUTE_MS = 60_000
_BATCH_STEP = 40
_SLOW_MS = 10_000
_CANCEL_EXTRA = 100_000
_ROWS_STEP = 20
_LIGHT = {
    "l2Book",
    "allMids",
    "clearinghouseState",
    "orderStatus",
    "spotClearinghouseState",
    "exchangeStatus",
}
_BY_ROWS = {"userFills", "userFillsByTime", "historicalOrders", "userFunding", "fundingHistory"}
_LISTS = {"order": "orders", "cancel": "cancels", "cancelByCloid": "cancels", "batchModify": "modifies"}


def batch_length(action: Json) -> int:
    """How many orders or cancels an action holds; 1 for every other kind."""
    name = _LISTS.get(action["type"])
    return max(1, len(action[name])) if name is not None else 1


def exchange_weight(action: Any) -> int:
    name = _LISTS.get(str(action.get("type"))) if isinstance(action, dict) else None
    rows = action.get(name) if name is not None else None
    return 1 + (len(rows) if isinstance(rows, list) else 1) // _BATCH_STEP


def info_weight(kind: str, rows: int = 0) -> int:
    """Weight of an info request; `rows` counts for those that are charged by the length of the answer."""
    if kind in _LIGHT:
        return 2
    if kind == "userRole":
        return 60
    return 20 + (rows // _ROWS_STEP if kind in _BY_ROWS else 0)


class IpLimiter:
    """A bucket of 1200 per address, refilled evenly over a minute."""

    def __init__(self, switches: Switches) -> None:
        self.switches = switches
        self._buckets: dict[str, tuple[int, float]] = {}

    def charge(self, ip: str, weight: int, now_ms: int) -> None:
        """Raises `BadRequest` (429) when the bucket holds less than `weight`."""
        if not self.switches.ip_limit:
            return
        left = self._left(ip, now_ms)
        if left < weight:
            raise BadRequest.too_many()
        self._buckets[ip] = (now_ms, left - weight)

    def surcharge(self, ip: str, weight: int, now_ms: int) -> None:
        """Charge after the fact for the length of an answer; never refuses."""
        if self.switches.ip_limit and weight:
            self._buckets[ip] = (now_ms, self._left(ip, now_ms) - weight)

    def _left(self, ip: str, now_ms: int) -> float:
        since, left = self._buckets.get(ip, (now_ms, float(_PER_MINUTE)))
        return min(float(_PER_MINUTE), left + (now_ms - since) * _PER_MINUTE / _MINUTE_MS)


def request_cap(switches: Switches, account: Account) -> int:
    return switches.address_base_requests + int(account.volume_usd)


def charge_address(switches: Switches, account: Account, action: Json, now_ms: int) -> None:
    """Count an action against its account. Raises `Refused` when the budget is used up and the last
    extra one was less than ten seconds ago."""
    count, cap = batch_length(action), request_cap(switches, account)
    allowed = min(cap + _CANCEL_EXTRA, 2 * cap) if action["type"].startswith("cancel") else cap
    used = account.requests_used + count
    if switches.address_limit and used > allowed:
        if now_ms - account.over_budget_ms < _SLOW_MS:
            raise Refused(answers.over_budget(used, allowed, account.volume_usd))
        account.over_budget_ms = now_ms
    account.requests_used = used
