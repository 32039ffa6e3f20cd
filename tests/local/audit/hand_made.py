"""A run by hand: one LONG of 0.5 BTC that is entered at 10 s, protected at 11 s and closed by an exit at 100 s.

Everything that the judge looks at is there and right. A test takes it, does one thing to it, and asks what is said.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from local.audit.judge import JUDGES
from local.audit.model import (
    Caps,
    Ledger,
    LedgerAction,
    LedgerControl,
    LedgerDesk,
    LedgerFill,
    LedgerFunding,
    LedgerNotice,
    LedgerOrder,
    LedgerPosition,
    LedgerRequest,
    LedgerReservation,
    LedgerSigner,
    LedgerWaiting,
    VenueEvent,
)
from local.audit.verdict import Bounds, Facts, Invariant, Judgement

ME = "0x" + "a" * 40
AGENT = "0x" + "c" * 40
BTC = (ME, "BTC")
ENTRY, STOP, EXIT, AGAIN = ("0x" + digit * 32 for digit in "1245")
END_MS = 200_000
EXACT = Bounds(race_ms=0)


def event(at_s: float, kind: str, **fields: Any) -> VenueEvent:
    """A line of the journal; its place in the order is given to it by `facts`."""
    return VenueEvent(0, int(at_s * 1000), kind, {"user": ME, "coin": "BTC", **fields})


def arrival(at_s: float, nonce: int, cloid: str, digest: str | None = None, **fields: Any) -> VenueEvent:
    """A request that came to the venue."""
    values = {"action_type": "order", "cloids": [cloid], "reduce_only": False, "expires_after": None}
    values |= {"signer": AGENT, "nonce": nonce, "digest": digest or f"bytes of {nonce}", **fields}
    return VenueEvent(0, int(at_s * 1000), "request", values)


def fill(
    at_s: float, side: str, size: str, cloid: str | None, *, tid: int, px: str = "60000", **fields: Any
) -> VenueEvent:
    values = {"oid": tid, "fee": "0", "closed_pnl": "0", "by": "signed", "liquidation": False, **fields}
    return event(at_s, "fill", side=side, sz=size, cloid=cloid, tid=tid, px=px, **values)


def stop_rests(at_s: float, size: str, *, oid: int = 50) -> VenueEvent:
    return event(at_s, "resting", oid=oid, cloid=STOP, side="A", tpsl="sl", reduce_only=True, sz=size)


def gone(at_s: float, *, oid: int = 50) -> VenueEvent:
    return event(at_s, "gone", oid=oid, status="canceled")


def request(order_id: str, nonce: int, at_s: float, cloid: str, **fields: Any) -> LedgerRequest:
    values: dict[str, Any] = {"kind": "place", "status": "ACKED", "sent_ms": int(at_s * 1000), **fields}
    return LedgerRequest(
        action_id=f"action {nonce}",
        order_id=order_id,
        signer=AGENT,
        nonce=nonce,
        prepared_ms=int(at_s * 1000),
        cloid=cloid,
        digest=f"bytes of {nonce}",
        **values,
    )


def booked(tid: int, signed_size: str, at_s: float, order_id: str, **fields: Any) -> LedgerFill:
    values: dict[str, Any] = {"price": Decimal(60_000), "fee_usd": Decimal(0), "position_id": "p1", **fields}
    size = Decimal(signed_size)
    return LedgerFill(
        fill_id=str(tid),
        place=BTC,
        signed_size=size,
        time_ms=int(at_s * 1000),
        size=abs(size),
        order_id=order_id,
        recorded_ms=int(at_s * 1000) + 500,
        **values,
    )


def waiting(**fields: Any) -> LedgerWaiting:
    values: dict[str, Any] = {
        "table": "orders",
        "key": "exit",
        "status": "WORKING",
        "is_unfinished": True,
        "due_ms": END_MS - 1_000,
        "claimed_until_ms": None,
        "quarantined_ms": None,
        "attempts": 3,
        "last_error": None,
    }
    return LedgerWaiting(**{**values, **fields})


EVENTS = (
    arrival(10, 10_000, ENTRY, expires_after=25_000),
    fill(10, "B", "0.5", ENTRY, tid=1, fee="3"),
    arrival(11, 11_000, STOP, reduce_only=True),
    stop_rests(11, "0.5"),
    event(60, "funding", usdc="-0.5"),
    arrival(100, 100_000, EXIT, reduce_only=True),
    fill(100, "A", "0.5", EXIT, tid=2, px="60053", closed_pnl="26.5", fee="3"),
    gone(100),
)

ENTRY_ORDER = LedgerOrder(
    "entry",
    "enter",
    "d1",
    1,
    BTC,
    "FILLED",
    position_id="p1",
    size=Decimal("0.5"),
    limit_price=Decimal(60_100),
    filled_size=Decimal("0.5"),
    created_ms=9_000,
    not_after_ms=40_000,
    finished_ms=11_500,
)

LEDGER = Ledger(
    addresses=frozenset({ME}),
    actions=(
        LedgerAction(ENTRY, "entry", BTC, True),
        LedgerAction(STOP, "stop", BTC, False),
        LedgerAction(EXIT, "exit", BTC, False),
    ),
    orders=(
        ENTRY_ORDER,
        LedgerOrder(
            "stop",
            "protect",
            "d1",
            None,
            BTC,
            "CANCELLED",
            "p1",
            Decimal("0.5"),
            created_ms=10_400,
            finished_ms=101_000,
        ),
        LedgerOrder(
            "exit",
            "exit",
            "d1",
            None,
            BTC,
            "FILLED",
            "p1",
            filled_size=Decimal("0.5"),
            created_ms=99_000,
            finished_ms=101_000,
        ),
    ),
    fills=(
        booked(1, "0.5", 10, "entry", fee_usd=Decimal(3)),
        booked(2, "-0.5", 100, "exit", price=Decimal(60_053), fee_usd=Decimal(3)),
    ),
    positions=(
        LedgerPosition(
            "p1",
            BTC,
            True,
            "CLOSED",
            Decimal(0),
            10_000,
            Decimal("20.0"),
            fees_usd=Decimal(6),
            funding_usd=Decimal("-0.5"),
            created_ms=9_500,
            closed_ms=100_000,
        ),
    ),
    requests=(
        request("entry", 10_000, 10, ENTRY, expires_ms=25_000, acked_size=Decimal("0.5"), answered_ms=10_400),
        request("stop", 11_000, 11, STOP),
        request("exit", 100_000, 100, EXIT),
    ),
    signers=(LedgerSigner(AGENT, 100_000),),
    reservations=(LedgerReservation("entry", "a1", 7, Decimal(30_050), 9_500, 100_500),),
    funding=(LedgerFunding(BTC, "p1", Decimal("-0.5"), 60_000),),
    controls=(LedgerControl("desk", "pause", 1_000, 5_000),),
    notices=(),
    waiting=(),
    claimable_rows=5,
    desk=LedgerDesk(
        deployments={
            "d1": ("a1", "one", Caps({"per_trade_usd": Decimal(31_000), "per_account_usd": Decimal(60_000)}))
        },
        accounts={"one": (ME, Caps({"per_trade_usd": Decimal(31_000), "per_account_usd": Decimal(60_000)}))},
    ),
)


def facts(
    *events: VenueEvent, ledger: Ledger = LEDGER, is_settled: bool = True, bounds: Bounds = EXACT
) -> Facts:
    """The run with these events instead of its own, in the order of their times."""
    ordered = sorted(events or EVENTS, key=lambda each: each.time_ms)
    numbered = tuple(replace(each, seq=index + 1) for index, each in enumerate(ordered))
    return Facts(numbered, ledger, END_MS, is_settled, bounds)


def without(*left_out: Callable[[VenueEvent], bool]) -> tuple[VenueEvent, ...]:
    """The run's events but those that one of the conditions picks."""
    return tuple(each for each in EVENTS if not any(picks(each) for picks in left_out))


def with_order(ledger: Ledger, order_id: str, **fields: Any) -> Ledger:
    """The ledger with one of its orders changed."""
    orders = tuple(
        replace(order, **fields) if order.order_id == order_id else order for order in ledger.orders
    )
    return replace(ledger, orders=orders)


def with_request(ledger: Ledger, nonce: int, **fields: Any) -> Ledger:
    """The ledger with one of its requests changed."""
    requests = tuple(replace(each, **fields) if each.nonce == nonce else each for each in ledger.requests)
    return replace(ledger, requests=requests)


def with_position(ledger: Ledger = LEDGER, **fields: Any) -> Ledger:
    """The ledger with its position changed."""
    return replace(ledger, positions=(replace(ledger.positions[0], **fields),))


def told(level: str, key: str, at_s: float) -> Ledger:
    """The ledger with one notice."""
    return replace(LEDGER, notices=(LedgerNotice(level, key, int(at_s * 1000)),))


def said(invariant: Invariant, run: Facts) -> Judgement:
    """What the judge says of one invariant, which is all that the run has to be whole for."""
    return JUDGES[invariant](run)


def only(invariant: Invariant, run: Facts) -> str:
    """The one violation of the invariant, which must be there."""
    (violation,) = said(invariant, run).violations
    return violation
