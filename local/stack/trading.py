"""The pipeline on the deployed stack: a desk at work, posts to protected positions, and back to flat.

Promises: nothing here moves a row or rings a queue of the stack: posts, prices and an operator's commands go in, and what the
deployed functions made of them by their own schedules and queues is read from Postgres.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from local.servers import ask_venue
from local.stack import store
from local.stack.chain import lines_of, seconds_to_protection
from local.stack.deployed import Deployed
from local.stack.report import StackFailure, expect, wait_for
from local.stack.texts import Said
from outcry.agents.desk import parse_desk
from outcry.agents.model import Desk
from outcry.runtime.clock import SystemClock, to_milliseconds
from outcry.runtime.database import Row

DESK_FILE = Path(__file__).with_name("desk.yaml")
LIVE = "rehearsal-live"
FUNDS_USD = "10000"
SIGNER_LASTS = timedelta(days=90)
MARKS = {
    "BTC": Decimal(60_000),
    "ETH": Decimal(3_000),
    "SOL": Decimal(150),
    "AVAX": Decimal(30),
    "LINK": Decimal(15),
    "ARB": Decimal(1),
}
_HEARD_WITHIN_S = 150.0  # two runs of the minute's schedule, and the cold starts on a busy machine
_CLOSED_WITHIN_S = 150.0


def open_desk(stack: Deployed) -> Mapping[str, Any]:
    """Apply the desk, make and approve the live account's signer, and let entries in: an operator's commands, one by one."""
    for market, mark in MARKS.items():
        stack.market.mark(market, mark)
    stack.outcry("desk", "apply", str(DESK_FILE))
    account = next(each for each in _desk().accounts if each.account_id == LIVE)
    ask_venue(stack.rig.venue_url, "fund", {"user": account.address, "usdc": FUNDS_USD})
    facts = let_sign(stack, slot=1, custody="envelope")
    stack.outcry("resume", "desk", "--reason", "the rehearsal begins")
    return facts


def let_sign(stack: Deployed, *, slot: int, custody: str) -> Mapping[str, Any]:
    """Make a signer for the live account, approve it at the venue as the account's owner would, and activate it."""
    created = stack.outcry(
        *("signer", "create", LIVE, "--slot", str(slot), "--custody", custody),
        *("--function", stack.physical_id("SignersFunction")),
    )
    until = SystemClock().now() + SIGNER_LASTS
    approval = {
        "master": created["owner"],
        "agent": created["address"],
        "name": f"outcry-{slot}",
        "valid_until_ms": to_milliseconds(until),
    }
    ask_venue(stack.rig.venue_url, "approve_agent", approval)
    stack.outcry("signer", "activate", created["signer_id"], "--valid-until", f"{until:%Y-%m-%d}")
    return {"signer": created["signer_id"], "custody": custody, "address": created["address"]}


def _desk() -> Desk:
    return parse_desk(DESK_FILE.read_text(encoding="utf-8"), DESK_FILE.name)


def enter(stack: Deployed, said: Said) -> Row:
    """Publish a post and wait until the live account holds a protected position in its market."""
    stack.market.post(said)
    return wait_protected(stack, said.token)


def wait_protected(stack: Deployed, market: str, timeout_s: float = _HEARD_WITHIN_S) -> Row:
    """The newest position in the market, once its fill is listed and a stop of it rests at the venue."""

    def look() -> Row | None:
        with stack.reading() as tx:
            found = store.newest_position(tx, market=market)
        if found is None or found["status"] != "OPEN" or found["protected_at"] is None:
            return None
        return found if found["size"] > 0 else None

    try:
        return wait_for(f"a protected position in {market}", look, timeout_s)
    except StackFailure as failure:
        raise StackFailure(f"{failure}. {why_not(stack)}") from None


def wait_closed(stack: Deployed, market: str, timeout_s: float = _CLOSED_WITHIN_S) -> Row:
    """The newest position in the market, once it is closed."""

    def look() -> Row | None:
        with stack.reading() as tx:
            found = store.newest_position(tx, market=market)
        return found if found and found["status"] == "CLOSED" else None

    try:
        return wait_for(f"a closed position in {market}", look, timeout_s)
    except StackFailure as failure:
        raise StackFailure(f"{failure}. {why_not(stack)}") from None


def why_not(stack: Deployed) -> str:
    """Where the newest rows of each stage stand: what a person would look at first."""
    with stack.reading() as tx:
        found = store.newest_rows(tx)
    return "; ".join(f"{table}: {row}" for table, row in found.items())


def tell_chain(stack: Deployed, position: Row) -> Mapping[str, Any]:
    """Print the position's whole chain, check that it is whole, and give its figures."""
    with stack.reading() as tx:
        chain = store.chain_of(tx, position["position_id"])
    for line in lines_of(chain):
        stack.report.say(line)
    for name in ("posts", "calls", "signals", "orders", "actions", "fills"):
        expect(bool(getattr(chain, name)), f"the chain of {position['position_id']} has no {name}")
    traces = {row["trace_id"] for row in (*chain.signals, *chain.orders)}
    expect(len(traces) == 1, f"the chain has {len(traces)} trace ids and should have one: {traces}")
    entries = [row for row in chain.orders if row["kind"] == "enter"]
    expect(len(entries) == 1, f"{len(entries)} entries for one position")
    stops = [row for row in chain.orders if row["leg"] == "stop" and row["status"] == "RESTING"]
    expect(len(stops) == 1, f"{len(stops)} stops rest for the position")
    return {
        "trace": traces.pop(),
        "fills": len(chain.fills),
        "heard_to_protected_s": seconds_to_protection(chain),
        "fill_to_protected_s": (chain.position["protected_at"] - chain.fills[0]["filled_at"]).total_seconds(),
    }
