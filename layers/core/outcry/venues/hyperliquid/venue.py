"""Hyperliquid behind the port: reads, requests, and the two reads that show whether a signer is approved.

Promises what the port promises; that every address is sent and returned in lower case; that what is signed
for mainnet is signed for mainnet alone; and that each call makes one HTTP request, or for fills and funding
one a page. Keeps nothing between calls but its connections: whoever needs the list of markets twice keeps it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from outcry.runtime.clock import Clock, to_milliseconds
from outcry.runtime.errors import UnknownAnswer, VenueUnreachable
from outcry.runtime.metrics import VenueError
from outcry.runtime.reasons import Reason
from outcry.venues.approving import NamedSigner, Role
from outcry.venues.counting import RequestBudget
from outcry.venues.hyperliquid import answers, shapes, signing, wire
from outcry.venues.hyperliquid.answers import lower_address
from outcry.venues.hyperliquid.client import LIMITED, Body, HttpAnswer, HyperliquidClient, count_failure
from outcry.venues.port import (
    AccountMode,
    AccountSnapshot,
    Ambiguous,
    Answer,
    Capabilities,
    DigestSigner,
    FundingPayment,
    Market,
    Marks,
    NotSent,
    OpenOrder,
    OrderReport,
    Outcome,
    RefusalKind,
    Refused,
    Request,
    Unreadable,
    VenueFill,
)
from outcry.venues.weights import Weights

if TYPE_CHECKING:
    import requests

_CAPABILITIES = Capabilities(rests_stops=True, fills_in_reply=True, expires=True)
_TAKER_FEE_FRAC = Decimal("0.00045")  # docs, fees: the lowest tier pays the most
_MINIMUM_NOTIONAL_USD = Decimal(10)
# A body that the venue could not read was never an action: its nonce is unused (recorded testnet answers).
_NEVER_READ = frozenset({400, 415, 422})
# The docs cap a page at 2000 fills, and other lists at 500 rows: fewer than the lower cap is certainly the
# last page.
_FULL_PAGE = 500


class HyperliquidVenue:
    """Hyperliquid's perpetuals on one network. Raises ConfigurationError for another network's URL."""

    def __init__(
        self,
        network: str,
        base_url: str,
        clock: Clock,
        *,
        connect_timeout_s: float = 3,
        read_timeout_s: float = 8,
        session: "requests.Session | None" = None,
        weights: Weights | None = None,
    ) -> None:
        self._client = HyperliquidClient(
            network,
            base_url,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
            session=session,
            weights=weights,
        )
        self._network = network
        self._clock = clock

    @property
    def name(self) -> str:
        return "hyperliquid"

    @property
    def network(self) -> str:
        return self._network

    @property
    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    @property
    def taker_fee_frac(self) -> Decimal:
        """The taker fee of the lowest tier (docs, fees)."""
        return _TAKER_FEE_FRAC

    @property
    def minimum_notional_usd(self) -> Decimal:
        """Of an order that opens or partly reduces; closing the whole position is exempt."""
        return _MINIMUM_NOTIONAL_USD

    @property
    def weight_used(self) -> int:
        """The request weight used up by this object; the venue allows 1200 a minute and IP address."""
        return self._client.weight_used

    # reads

    def markets(self) -> Mapping[str, Market]:
        """Every market by name, the delisted included. Weight 20."""
        return self._read({"type": "meta"}, answers.markets)

    def marks(self) -> Marks:
        """The mark of every market that trades, as of the receipt of the complete answer. Weight 20."""
        body = self._client.info({"type": "metaAndAssetCtxs"}, shapes.contexts)
        received_at = self._clock.now()
        return Marks(_parsed("metaAndAssetCtxs", body, answers.marks), received_at)

    def account(self, address: str) -> AccountSnapshot:
        """The account's worth and holdings. Weight 2."""
        query = {"type": "clearinghouseState", "user": lower_address(address)}
        return _parsed(query["type"], self._client.info(query, shapes.state), answers.account)

    def account_mode(self, address: str) -> AccountMode:
        """How the venue counts this account's margin. Weight 20."""
        return self._read({"type": "userAbstraction", "user": lower_address(address)}, answers.account_mode)

    def request_budget(self, address: str) -> RequestBudget:
        """How many requests the account has made in its life, and may make. Weight 20."""
        return self._read({"type": "userRateLimit", "user": lower_address(address)}, answers.request_budget)

    def open_orders(self, address: str) -> Sequence[OpenOrder]:
        """Every resting order, triggers included. Weight 20."""
        return self._read({"type": "frontendOpenOrders", "user": lower_address(address)}, answers.open_orders)

    def order(self, address: str, cloid: str) -> OrderReport | None:
        """The venue's record of the order. None proves nothing: the index lags and forgets. Weight 2."""
        wanted = cloid.lower()
        query = {"type": "orderStatus", "user": lower_address(address), "oid": wanted}
        return self._read(query, lambda body: answers.order_report(body, wanted))

    def fills(self, address: str, since: datetime) -> Sequence[VenueFill]:
        """Every fill at or after `since`, oldest first. The venue lists the latest 10 000 and no more.

        Raises VenueUnreachable, rather than leave a gap, where one millisecond holds more than a page.
        """
        user = lower_address(address)
        query = {"type": "userFillsByTime", "user": user, "aggregateByTime": False}
        found = self._pages(query, since, lambda body: answers.fills(body, user))
        return sorted(found, key=lambda fill: fill.filled_at)

    def funding(self, address: str, since: datetime) -> Sequence[FundingPayment]:
        """Every payment at or after `since`, oldest first; those of past weeks come summed up by day."""
        found = self._pages({"type": "userFunding", "user": lower_address(address)}, since, answers.funding)
        return sorted(found, key=lambda payment: payment.paid_at)

    def named_signers(self, master: str) -> Sequence[NamedSigner]:
        """The named agents that `master` approved. Weight 20."""
        return self._read({"type": "extraAgents", "user": lower_address(master)}, answers.named_signers)

    def approved_signers(self, master: str) -> Mapping[str, datetime]:
        """The same, as address to the end of the approval. Weight 20."""
        return {each.address: each.valid_until for each in self.named_signers(master)}

    def role(self, address: str) -> Role:
        """What the venue knows the address as. Weight 60."""
        return self._read({"type": "userRole", "user": lower_address(address)}, answers.role)

    def _read[T](self, query: Mapping[str, Any], parse: Callable[[Any], T]) -> T:
        return _parsed(query["type"], self._client.info(query), parse)

    def _pages[T](
        self, query: Mapping[str, Any], since: datetime, parse: Callable[[Any], answers.Page[T]]
    ) -> list[T]:
        """All pages. Bounds are inclusive: each page starts at the last time of the one before."""
        found: dict[object, T] = {}
        start_ms = to_milliseconds(since)
        while True:
            page = self._read({**query, "startTime": start_ms}, parse)
            self._client.charge_rows(page.listed)
            found.update(page.rows)
            if page.listed < _FULL_PAGE:
                return list(found.values())
            if page.last_ms <= start_ms:
                raise VenueUnreachable(
                    f"hyperliquid {query['type']}: a page does not reach beyond its first millisecond"
                )
            start_ms = page.last_ms

    # requests

    def fit_size(self, market: Market, size: Decimal) -> Decimal:
        return wire.fit_size(market, size)

    def fit_price(self, market: Market, price: Decimal, *, up: bool) -> Decimal:
        return wire.fit_price(market, price, up=up)

    def encode(self, request: Request, market: Market | None) -> str:
        """The action as JSON text. Raises BugError for what the venue could only refuse."""
        return wire.encode(request, market)

    def sign(self, payload: str, *, nonce: int, expires_at: datetime | None, signer: DigestSigner) -> str:
        """The exact body to send. The same arguments and a deterministic signer give the same bytes.

        Raises BugError, before the signer is asked, for an action that `encode` does not make.
        """
        ours = wire.checked_action(payload)
        is_mainnet = self._network == "mainnet"
        return signing.sign(ours, nonce=nonce, expires_at=expires_at, signer=signer, is_mainnet=is_mainnet)

    def send(self, signed: str, *, address: str) -> Answer:
        """Send the stored bytes. The venue finds the account by the signer, so `address` does not travel.

        Raises BugError, before anything is sent, where `signed` is not a body that `sign` made.
        """
        action = wire.action_type(signed)
        reply = self._client.exchange(signed)
        if not isinstance(reply, HttpAnswer):
            _count(reply)
            return Answer(reply, None)
        outcome: Outcome
        if reply.status == 200:
            outcome = wire.read_outcome(action, reply.body)
        elif reply.status in _NEVER_READ:
            outcome = Refused(RefusalKind.BUG, Reason.VENUE_REFUSED, f"HTTP {reply.status}")
        else:
            outcome = Ambiguous(f"HTTP {reply.status}")
        _count(outcome, status=reply.status)
        return Answer(outcome, reply.body)


def _parsed[T](what: str, body: Body, parse: Callable[[Any], T]) -> T:
    try:
        return answers.read(what, body.value, parse, raw=body.raw)
    except UnknownAnswer:
        count_failure(VenueError.UNKNOWN_ANSWER)
        raise


def _count(outcome: Outcome, *, status: int = 200) -> None:
    """Count an answer to a send that leaves something open; what the venue refuses in words we know is no failure."""
    match outcome:
        case NotSent():
            count_failure(VenueError.UNREACHABLE)
        case Unreadable():
            count_failure(VenueError.UNKNOWN_ANSWER)
        case Ambiguous():
            count_failure(VenueError.LIMITED if status == LIMITED else VenueError.AMBIGUOUS)
        case Refused(kind=RefusalKind.UNKNOWN | RefusalKind.BUG):
            count_failure(VenueError.UNKNOWN_ANSWER)
