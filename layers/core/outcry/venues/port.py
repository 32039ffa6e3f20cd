"""The port to a place where trades happen, and the words that all venues share.

Promises of every `Venue`:
- A read either returns a complete answer or raises VenueUnreachable. An outage never looks like "no positions".
- Building, signing and sending are three steps, so that the exact bytes can be stored before the socket is touched.
- `send` never raises for what the venue says or fails to say: it returns what is known, `Ambiguous` included.
- Prices and sizes are Decimal; times are aware UTC.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from outcry.runtime.reasons import Reason
from outcry.venues.holdings import Holdings

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{40}\b")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a venue can do, so that the stages need not know its name."""

    rests_stops: bool
    fills_in_reply: bool
    expires: bool


@dataclass(frozen=True, slots=True)
class Market:
    """What trades under a name. `asset` is the venue's own number, delisted entries counted."""

    market: str
    asset: int
    size_decimals: int
    max_leverage: int
    only_isolated: bool = False
    is_delisted: bool = False


@dataclass(frozen=True, slots=True)
class Marks:
    """One complete answer with the venue's reference prices, by market, and when it was received."""

    prices: Mapping[str, Decimal]
    received_at: datetime


class AccountMode(StrEnum):
    """How the venue counts margin. Entries are refused where it is not STANDARD."""

    STANDARD = "STANDARD"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """One complete answer about an account: its worth, what is free, what it holds; `taken_at` is the venue's time."""

    equity_usd: Decimal
    free_usd: Decimal
    holdings: Holdings
    taken_at: datetime


class TriggerKind(StrEnum):
    STOP = "sl"
    TAKE_PROFIT = "tp"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A market order that wakes when the mark crosses `price`."""

    kind: TriggerKind
    price: Decimal


@dataclass(frozen=True, slots=True)
class Place:
    """Place one order: immediate-or-cancel, or, with a trigger, resting over the position.

    `price` is the worst price accepted. Size and prices must already fit the venue's rules (`fit_size`, `fit_price`).
    """

    market: str
    is_buy: bool
    size: Decimal
    price: Decimal
    reduce_only: bool
    cloid: str
    trigger: Trigger | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the order with this client id."""

    market: str
    cloid: str


@dataclass(frozen=True, slots=True)
class SetLeverage:
    """Set the leverage of a flat market, margin isolated."""

    market: str
    leverage: int


@dataclass(frozen=True, slots=True)
class Noop:
    """Do nothing but use up a nonce, so that what was signed with it can never run."""


Request = Place | Cancel | SetLeverage | Noop


# ─── what `send` can learn ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Filled:
    """Executed at once, wholly or in part: compare `size` with what was asked for."""

    size: Decimal
    average_price: Decimal
    venue_order_id: str


@dataclass(frozen=True, slots=True)
class Resting:
    """Accepted and waiting at the venue. A trigger order's id may come later."""

    venue_order_id: str | None


@dataclass(frozen=True, slots=True)
class Done:
    """A request that has no order of its own (cancel, leverage, no-op) was carried out."""


class RefusalKind(StrEnum):
    """What the caller must do about a refusal."""

    FINAL = "FINAL"  # nothing was done and the same request would be refused again
    WIDEN = "WIDEN"  # nothing rested within the bound: a new attempt with a wider one is allowed
    LATER = "LATER"  # nothing was done; the venue is busy or closed: a new attempt later is allowed
    CROSSED = "CROSSED"  # a trigger's price is already crossed: act now
    ALREADY_FLAT = "ALREADY_FLAT"  # there is nothing to reduce: reconcile
    NOT_THERE = "NOT_THERE"  # the order to cancel is not open: read what became of it
    SIGNER = "SIGNER"  # the signer is not accepted: stop the deployment and page a person
    NONCE_USED = "NONCE_USED"  # the nonce was admitted before: the earlier request may have run; ask
    EXPIRED = "EXPIRED"  # the request expired and, where it was this very nonce, it never ran
    BUG = "BUG"  # we built a request that the venue cannot accept
    UNKNOWN = "UNKNOWN"  # a text that nobody has catalogued: quarantine, guess nothing


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue said no, in its own words, and what that means."""

    kind: RefusalKind
    reason: Reason
    text: str

    @property
    def named_address(self) -> str | None:
        """The address that the venue's words name, lower case; None where they name none. Of a signer, it is the one recovered."""
        found = _ADDRESS.search(self.text)
        return None if found is None else found[0].lower()


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """It is not known whether the request was executed. Only asking the venue can tell."""

    why: str


@dataclass(frozen=True, slots=True)
class Unreadable(Ambiguous):
    """The venue answered what nobody has catalogued: it is kept as it was said, a person looks, and the venue is asked."""


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request certainly never reached the venue (no connection was made). The same bytes may be sent later."""

    why: str


Outcome = Filled | Resting | Done | Refused | Ambiguous | NotSent


@dataclass(frozen=True, slots=True)
class Answer:
    """What was understood, and the raw body for the record (None where nothing was received)."""

    outcome: Outcome
    raw: str | None


# ─── what reads return ──────────────────────────────────────────────────────────────────────────────────────────────


class OrderState(StrEnum):
    """Where the venue says an order is. A state never implies a size: read the fills."""

    OPEN = "OPEN"
    FILLED = "FILLED"
    TRIGGERED = "TRIGGERED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class OrderReport:
    """The venue's record of one order, found by client id."""

    state: OrderState
    venue_order_id: str
    raw_status: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order resting at the venue. `cloid` is None where whoever placed it gave none."""

    market: str
    is_buy: bool
    size: Decimal
    venue_order_id: str
    cloid: str | None
    reduce_only: bool
    trigger: Trigger | None


@dataclass(frozen=True, slots=True)
class VenueFill:
    """One execution as the fill feed lists it. `size_before` is the signed position before it."""

    fill_id: str
    market: str
    is_buy: bool
    price: Decimal
    size: Decimal
    fee_usd: Decimal
    venue_pnl_usd: Decimal
    size_before: Decimal
    venue_order_id: str
    cloid: str | None
    is_liquidation: bool
    filled_at: datetime


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """Funding received (above zero) or paid (below) for one market at one hour.

    `held_size` is the signed size that it was paid for, whoever's it was; None where the venue does not say.
    """

    market: str
    amount_usd: Decimal
    paid_at: datetime
    held_size: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """An ECDSA signature over secp256k1: r, s and the recovery value v (27 or 28)."""

    r: int
    s: int
    v: int


class DigestSigner(Protocol):
    """What a venue needs of a signer: its address, and a signature over 32 bytes."""

    @property
    def address(self) -> str:
        """The signer's address, lower case, 0x and 40 hex digits."""
        ...

    def sign_digest(self, digest: bytes) -> Signature:
        """Sign a 32-byte digest: r, s in the lower half, and v. Two calls may give two signatures. It may ask KMS.

        Raises SignerRefused where its key is refused until a person acts, InfrastructureError where there is no answer.
        """
        ...


class Venue(Protocol):
    """One venue on one network."""

    @property
    def name(self) -> str:
        """`hyperliquid`, `paper`, …"""
        ...

    @property
    def network(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def taker_fee_frac(self) -> Decimal:
        """The highest fee that a taker pays, as a fraction of notional."""
        ...

    @property
    def minimum_notional_usd(self) -> Decimal:
        """The smallest order that opens or partly reduces."""
        ...

    # reads: complete answer or VenueUnreachable

    def markets(self) -> Mapping[str, Market]: ...

    def marks(self) -> Marks: ...

    def account(self, address: str) -> AccountSnapshot: ...

    def account_mode(self, address: str) -> AccountMode: ...

    def open_orders(self, address: str) -> Sequence[OpenOrder]: ...

    def order(self, address: str, cloid: str) -> OrderReport | None:
        """The venue's record of the order with this client id; None means only that it is not listed now."""
        ...

    def fills(self, address: str, since: datetime) -> Sequence[VenueFill]:
        """Every fill at or after `since`, oldest first, all pages."""
        ...

    def funding(self, address: str, since: datetime) -> Sequence[FundingPayment]: ...

    # requests: build, sign, send

    def fit_size(self, market: Market, size: Decimal) -> Decimal:
        """The largest size not above `size` that the venue accepts; zero where there is none."""
        ...

    def fit_price(self, market: Market, price: Decimal, *, up: bool) -> Decimal:
        """The nearest acceptable price at or above (`up`) or at or below `price`."""
        ...

    def encode(self, request: Request, market: Market | None) -> str:
        """The venue's own form of the request as JSON text, in the order in which it will be hashed."""
        ...

    def sign(self, payload: str, *, nonce: int, expires_at: datetime | None, signer: DigestSigner) -> str:
        """The exact body to send, signed. Deterministic callers store it before sending."""
        ...

    def send(self, signed: str, *, address: str) -> Answer:
        """Send the stored bytes for the account `address` and say what is known afterwards. Never raises for the venue."""
        ...
