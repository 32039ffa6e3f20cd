"""A position's whole chain in words: post, call, signal, orders, actions, fills, the stop that protects it. Pure."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from local.stack.store import Chain
from outcry.runtime.database import Row


def lines_of(chain: Chain) -> list[str]:
    """A line for each row, indented by how far it is from the post, with times to the millisecond."""
    return list(_lines(chain))


def seconds_to_protection(chain: Chain) -> float | None:
    """From the post's arrival to the stop at the venue, in seconds; None where there is none yet."""
    protected = chain.position["protected_at"]
    if protected is None or not chain.posts:
        return None
    return float((protected - chain.posts[0]["received_at"]).total_seconds())


def _lines(chain: Chain) -> Iterator[str]:
    yield from (_post(row) for row in chain.posts)
    yield from (_call(row) for row in chain.calls)
    yield from (_signal(row) for row in chain.signals)
    for order in chain.orders:
        yield _order(order)
        yield from (_action(row) for row in chain.actions if row["order_id"] == order["order_id"])
        yield from (_fill(row) for row in chain.fills if row["order_id"] == order["order_id"])
    yield _position(chain.position)


def _post(row: Row) -> str:
    when = f"{_at(row['created_at'])}, heard {_at(row['received_at'])} ({row['source']})"
    return f"post     {row['post_id']} by @{row['username']} {when}: {row['text']!r}"


def _call(row: Row) -> str:
    what = f"{row['action']} {row['side']} {row['token']}, conviction {_plain(row['conviction'])}"
    return f"call     {what}, read by {row['classifier']} in {row['evidence']!r}"


def _signal(row: Row) -> str:
    what = f"{row['signal_id']} of {row['agent_id']}: {row['status']} {row['side']} {row['market']}"
    return f"signal   {what}, score {_plain(row['score'])}, {_at(row['decided_at'])}, trace {row['trace_id']}"


def _order(row: Row) -> str:
    trigger = "" if row["trigger_price"] is None else f", trigger {_plain(row['trigger_price'])}"
    reason = "" if row["reason"] is None else f" ({row['reason']})"
    what = f"{row['kind']} {row['leg']} {row['status']}{reason}, size {_plain(row['size'])}{trigger}"
    return f"  order  {what}, {_at(row['created_at'])}, trace {row['trace_id']}"


def _action(row: Row) -> str:
    acked = "" if row["acked_size"] is None else f", acknowledged {_plain(row['acked_size'])}"
    what = f"{row['kind']} {row['attempt']} {row['status']}, nonce {row['nonce']}, cloid {row['cloid']}"
    return f"    action {what}, sent {_at(row['sent_at'])} ({row['sends']}x), answered {_at(row['answered_at'])}{acked}"


def _fill(row: Row) -> str:
    what = f"{'BUY' if row['is_buy'] else 'SELL'} {_plain(row['size'])} at {_plain(row['price'])}"
    return (
        f"    fill   {what}, fee {_plain(row['fee_usd'])} USD, id {row['fill_id']}, {_at(row['filled_at'])}"
    )


def _position(row: Row) -> str:
    what = (
        f"{row['status']} {row['side']} {_plain(row['size'])} {row['market']} at {_plain(row['entry_price'])}"
    )
    kept = f"stop {_plain(row['stop_price'])}, protected {_at(row['protected_at'])}"
    end = ""
    if row["closed_at"] is not None:
        profit = f"profit {_plain(row['realised_pnl_usd'])} USD"
        end = f", closed {_at(row['closed_at'])} by {row['exit_reason']}, {profit}"
    return f"position {what} for {row['deployment_id']}, {kept}{end}"


def _at(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"


def _plain(number: Any) -> str:
    return "-" if number is None else f"{Decimal(number).normalize():f}"
