"""A venue on a clock that stands still, with a funded master and an approved agent that signs for it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from eth_account import Account
from hyperliquid.utils import signing

from local.hyperliquid.config import build_config
from local.hyperliquid.engine import Engine
from local.hyperliquid.server import HyperliquidServer
from outcry.runtime.clock import FixedClock

NOON = datetime(2026, 11, 22, 12, 0, 1, tzinfo=UTC)
MASTER_KEY = "0x" + "11" * 32
AGENT_KEY = "0x" + "22" * 32


class Desk:
    """Signs actions as the agent and hands them to an engine without HTTP."""

    def __init__(self, changes: dict[str, Any] | None = None, prices: tuple[Any, ...] = ()) -> None:
        self.clock = FixedClock(NOON)
        self.engine = Engine(self.clock, config=build_config(changes), prices=prices)
        self.master_wallet = Account.from_key(MASTER_KEY)
        self.agent_wallet = Account.from_key(AGENT_KEY)
        self.master = self.master_wallet.address.lower()
        self.agent = self.agent_wallet.address.lower()
        self._nonce = 0
        self.control("fund", user=self.master, usdc="10000")
        self.control("approve_agent", master=self.master, agent=self.agent, name="desk")

    def control(self, name: str, /, **body: Any) -> Any:
        return self.engine.control(name, body)

    def info(self, kind: str, **body: Any) -> Any:
        return self.engine.info({"type": kind, "user": self.master, **body})

    def asset(self, coin: str) -> int:
        return self.engine.venue.by_name[coin].index

    def next_nonce(self) -> int:
        self._nonce = max(self._nonce + 1, int(self.clock.now().timestamp() * 1000))
        return self._nonce

    def envelope(self, action: Any, *, wallet: Any = None, nonce: int | None = None, **more: Any) -> Any:
        number = nonce or self.next_nonce()
        expires, vault = more.get("expires_after"), more.get("vault")
        signature = signing.sign_l1_action(
            wallet or self.agent_wallet, action, vault, number, expires, more.get("mainnet", False)
        )
        return {
            "action": action,
            "nonce": number,
            "signature": signature,
            "vaultAddress": vault,
            "expiresAfter": expires,
        }

    def send(self, action: Any, **how: Any) -> Any:
        return self.engine.exchange(self.envelope(action, **how))

    def wire(self, coin: str, is_buy: bool, size: str, price: str, **more: Any) -> Any:
        kind: Any = {"limit": {"tif": more.get("tif", "Ioc")}}
        if "stop" in more or "target" in more:
            trigger = more.get("stop") or more.get("target")
            word = "sl" if "stop" in more else "tp"
            kind = {"trigger": {"isMarket": more.get("market", True), "triggerPx": trigger, "tpsl": word}}
        row = {
            "a": self.asset(coin),
            "b": is_buy,
            "p": price,
            "s": size,
            "r": more.get("reduce", False),
            "t": kind,
        }
        if "cloid" in more:
            row["c"] = more["cloid"]
        return row

    def place(self, *rows: Any, grouping: str = "na", **how: Any) -> Any:
        answer = self.send({"type": "order", "orders": list(rows), "grouping": grouping}, **how)
        return answer["response"]["data"]["statuses"] if answer["status"] == "ok" else answer

    def buy(self, coin: str, size: str, price: str, **more: Any) -> Any:
        return self.place(self.wire(coin, True, size, price, **more))[0]

    def sell(self, coin: str, size: str, price: str, **more: Any) -> Any:
        return self.place(self.wire(coin, False, size, price, **more))[0]

    def leverage(self, coin: str, value: int, *, cross: bool = False) -> Any:
        return self.send(
            {"type": "updateLeverage", "asset": self.asset(coin), "isCross": cross, "leverage": value}
        )

    def mark(self, coin: str, price: str) -> None:
        self.control("mark", market=coin, mark=price)

    def wait(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))
        self.engine.advance()

    def size(self, coin: str) -> str:
        rows = self.info("clearinghouseState")["assetPositions"]
        return next((row["position"]["szi"] for row in rows if row["position"]["coin"] == coin), "0.0")

    def status(self, oid: int | str) -> str:
        found = self.info("orderStatus", oid=oid)
        return str(found["order"]["status"]) if found["status"] == "order" else "unknownOid"

    def journal(self, kind: str) -> list[dict[str, Any]]:
        return self.engine.journal.of(kind)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def make_desk() -> Callable[..., Desk]:
    return Desk


@pytest.fixture
def server() -> Iterator[HyperliquidServer]:
    with HyperliquidServer(FixedClock(datetime.now(UTC))) as running:
        yield running
