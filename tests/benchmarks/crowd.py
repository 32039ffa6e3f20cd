"""Many accounts with many open positions, in the database and at a venue that answers from memory.

Promises: the bodies are Hyperliquid's own (metaAndAssetCtxs, clearinghouseState, frontendOpenOrders and the empty feeds of
fills and funding), one for each account, with a universe of 200 markets, and are parsed by the project's own reader. They are made
before the clock starts. Book and venue agree: whatever a pass finds to do comes from the marks alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from outcry.agents.model import Account, Limits, Trailing
from outcry.runtime.clock import to_milliseconds
from outcry.runtime.database import Transaction
from outcry.runtime.side import Side
from outcry.signals.exit_rules import ExitPlan, FractionOfEntry, Target, plan_to_json
from tests.benchmarks import store

UNIVERSE = 200
SIZE = Decimal("1.5")
_TIME = b"1234567890123"
_TICK = Decimal("0.01")
_CONTEXT = {
    "dayNtlVlm": "1169046.29406", "funding": "0.0000125", "impactPxs": ["14.3047", "14.3444"], "midPx": "14.314",
    "openInterest": "688.11", "oraclePx": "14.32", "premium": "0.00031774", "prevDayPx": "15.322",
    "dayBaseVlm": "80000.5",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """`accounts` with `markets` open positions each. `gain` is how far each has run, `step_frac` when its stop follows."""

    accounts: int
    markets: int
    gain: Decimal
    step_frac: Decimal
    stop_at_trail: bool = False

    @property
    def positions(self) -> int:
        return self.accounts * self.markets


STILL = (Decimal(0), Decimal("0.002"))  # not far enough for the trail to be active


class Crowd:
    """The accounts, their positions, and the venue's bodies about them."""

    def __init__(self, layout: Layout) -> None:
        assert layout.markets <= UNIVERSE
        self.layout = layout
        self.markets = [f"M{number:03d}" for number in range(UNIVERSE)]
        self.accounts = {
            account.account_id: account for account in (_account(number) for number in range(layout.accounts))
        }
        self._entry = {
            name: Decimal(100 + 7 * number).quantize(_TICK) for number, name in enumerate(self.markets)
        }
        self._marks = b""
        self._orders: dict[str, bytes] = {}
        self._states = {each.address: self._state(each) for each in self.accounts.values()}
        self._meta = _packed({"universe": self._universe()})
        self._shown = self._states

    def side(self, market: str) -> Side:
        return Side.LONG if int(market[1:]) % 2 else Side.SHORT

    def insert(self, tx: Transaction, now: datetime) -> None:
        """Write accounts, positions and their history."""
        named = [{"account_id": each.account_id, "address": each.address} for each in self.accounts.values()]
        store.insert_accounts(tx, named, now)
        levels = [self._levels(market) for market in self.markets[: self.layout.markets]]
        rows = [{**level, "account_id": name} for name in self.accounts for level in levels]
        store.insert_positions(tx, rows, now)
        store.insert_history(tx, now)

    def rest(self, cloids: dict[tuple[str, str], str]) -> None:
        """Show the stops of these client ids as open orders."""
        for name, account in self.accounts.items():
            listed = [
                self._open_order(market, cloids[name, market])
                for market in self.markets[: self.layout.markets]
            ]
            self._orders[account.address] = _packed(listed)

    def show(self, now: datetime, won: Decimal) -> None:
        """Let the venue's answers be of this moment, with every mark `won` further on its position's winning side."""
        at = str(to_milliseconds(now)).encode()
        contexts = []
        for market in self.markets:
            run = self.layout.gain + won
            price = self._entry[market] * (1 + run * self.side(market).sign)
            contexts.append({**_CONTEXT, "markPx": f"{price.quantize(Decimal('0.0001')):f}"})
        self._marks = _packed([{"universe": self._universe()}, contexts])
        self._shown = {address: state.replace(_TIME, at) for address, state in self._states.items()}

    def answer(self, body: str) -> bytes:
        """The venue's answer to a read."""
        query = json.loads(body)
        match query["type"]:
            case "metaAndAssetCtxs":
                return self._marks
            case "clearinghouseState":
                return self._shown[query["user"]]
            case "frontendOpenOrders":
                return self._orders[query["user"]]
            case "userFillsByTime" | "userFunding":
                return b"[]"
            case "userRateLimit":
                return (
                    b'{"cumVlm":"1000000.0","nRequestsUsed":2000,"nRequestsCap":1010000,"nRequestsSurplus":0}'
                )
            case "meta":
                return self._meta
            case other:
                raise AssertionError(f"a pass that finds nothing amiss does not ask for {other}")

    def _universe(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "szDecimals": 2, "maxLeverage": 20, "marginTableId": 20} for name in self.markets
        ]

    def _levels(self, market: str) -> dict[str, Any]:
        entry, sign, layout = self._entry[market], self.side(market).sign, self.layout
        peak = entry * (1 + layout.gain * sign)
        trail = peak * (1 - Decimal("0.01") * sign) if layout.gain else None
        stop = trail if trail is not None and layout.stop_at_trail else entry * (1 - Decimal("0.02") * sign)
        return {
            "market": market,
            "side": self.side(market).value,
            "size": str(SIZE),
            "entry_price": str(entry),
            "rules": plan_to_json(_plan(layout.step_frac)),
            "stop_price": str(stop),
            "liquidation_price": str(entry * (1 - Decimal("0.3") * sign)),
            "peak": str(peak),
            "trail_price": None if trail is None else str(trail),
        }

    def _state(self, account: Account) -> bytes:
        held = [self._holding(market) for market in self.markets[: self.layout.markets]]
        summary = {
            "accountValue": "250000.5", "totalNtlPos": "120000.0",
            "totalRawUsd": "130000.5", "totalMarginUsed": "40000.25",
        }  # fmt: skip
        return _packed(
            {
                "assetPositions": held,
                "crossMaintenanceMarginUsed": "0.0",
                "crossMarginSummary": summary,
                "marginSummary": summary,
                "time": int(_TIME),
                "withdrawable": "210000.25",
            }
        )

    def _holding(self, market: str) -> dict[str, Any]:
        entry, sign = self._entry[market], self.side(market).sign
        return {
            "type": "oneWay",
            "position": {
                "coin": market,
                "cumFunding": {"allTime": "514.08", "sinceChange": "0.0", "sinceOpen": "0.0"},
                "entryPx": f"{entry:f}",
                "leverage": {"rawUsd": "-95.05", "type": "isolated", "value": 3},
                "liquidationPx": f"{entry * (1 - Decimal('0.3') * sign):f}",
                "marginUsed": "50.25",
                "maxLeverage": 20,
                "positionValue": "150.0",
                "returnOnEquity": "0.01",
                "szi": f"{SIZE * sign:f}",
                "unrealizedPnl": "1.25",
            },
        }

    def _open_order(self, market: str, cloid: str) -> dict[str, Any]:
        return {
            "coin": market,
            "isPositionTpsl": False,
            "isTrigger": True,
            "limitPx": "50.0",
            "oid": 91490942,
            "orderType": "Stop Market",
            "origSz": f"{SIZE:f}",
            "reduceOnly": True,
            "side": "A" if self.side(market) is Side.LONG else "B",
            "sz": f"{SIZE:f}",
            "timestamp": 1681247412573,
            "triggerCondition": "Price below 90",
            "triggerPx": f"{self._entry[market]:f}",
            "children": [],
            "tif": None,
            "cloid": cloid,
        }


def _account(number: int) -> Account:
    return Account(
        account_id=f"account-{number:04d}",
        venue="hyperliquid",
        network="local",
        address=f"0x{number + 1:040x}",
        paper_balance_usd=None,
        foreign_policy="observe",
        limits=Limits(Decimal(5000), Decimal(100000)),
    )


def _plan(step_frac: Decimal) -> ExitPlan:
    targets = (Target(FractionOfEntry(Decimal("0.5")), Decimal("0.5")),)
    return ExitPlan(
        stop=FractionOfEntry(Decimal("0.02")),
        own_stop_frac=Decimal("0.02"),
        targets=targets,
        own_targets=targets,
        trailing=Trailing(Decimal("0.02"), Decimal("0.01"), step_frac),
        time_limit=timedelta(days=2),
        liquidation_buffer_frac=Decimal("0.005"),
        follow_close_calls=True,
    )


def _packed(body: dict[str, Any] | Sequence[Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
