"""One client at the venue's front, without a socket, and a judge of the venue's own books."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from local.hyperliquid.front import Reply, respond

LOST: Any = object()


def post(desk: Any, path: str, body: Any) -> Reply | None:
    return respond(desk.engine, path, "application/json", json.dumps(body).encode(), "127.0.0.1")


def heard(reply: Reply | None) -> Any:
    """What a client makes of a reply: LOST for none, the body for 200, else the status and the text."""
    if reply is None:
        return LOST
    if reply.status != 200:
        return reply.status, reply.body.decode()
    return json.loads(reply.body)


def exchange(desk: Any, body: Any) -> Any:
    return heard(post(desk, "/exchange", body))


def info(desk: Any, kind: str, **body: Any) -> Any:
    return heard(post(desk, "/info", {"type": kind, "user": desk.master, **body}))


def order(desk: Any, *rows: Any, **how: Any) -> Any:
    """A signed order action, not yet sent."""
    return desk.envelope({"type": "order", "orders": list(rows), "grouping": "na"}, **how)


def discord(desk: Any) -> list[str]:
    """Where the venue's books contradict themselves: sizes against fills, cash against its sources, orders
    against what is left of them. Empty when they are consistent."""
    venue, found, records = desk.engine.venue, [], desk.engine.journal.records
    begun = max((number for number, row in enumerate(records) if row["kind"] == "reset"), default=0)
    records = records[begun:]
    for address, account in venue.accounts.items():
        journal = [row for row in records if row.get("user") == address]
        coins = {fill["coin"] for fill in account.fills} | set(account.positions)
        found += [
            f"{coin}: the fills do not sum to the position"
            for coin in sorted(coins)
            if account.szi(coin) != _signed(f for f in account.fills if f["coin"] == coin)
        ]
        kept_aside = sum((p.isolated_usd for p in account.positions.values()), Decimal(0))
        sources = sum(
            (Decimal(row["usdc"]) for row in journal if row["kind"] in ("cash", "funding")), Decimal(0)
        )
        earned = sum((Decimal(f["closedPnl"]) - Decimal(f["fee"]) for f in account.fills), Decimal(0))
        if account.usdc + kept_aside != sources + earned:
            found.append(f"cash {account.usdc} + {kept_aside} is not {sources} + {earned}")
        ids = [fill["tid"] for fill in account.fills]
        if len(ids) != len(set(ids)):
            found.append("one trade id twice")
        if any(
            o.reduce_only and o.live and o.sz > abs(account.szi(o.coin)) for o in account.open_orders.values()
        ):
            found.append("a reduce-only order is larger than its position")
    return found


def _signed(fills: Iterable[Any]) -> Decimal:
    return sum((Decimal(f["sz"]) * (1 if f["side"] == "B" else -1) for f in fills), Decimal(0))
