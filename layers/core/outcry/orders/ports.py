"""What the ledger needs from the outside: venues, signers, and the account behind an order."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from outcry.agents.model import Account
from outcry.custody.record import Confirmation
from outcry.orders.model import Order
from outcry.runtime.clock import Clock
from outcry.runtime.database import Database, Transaction
from outcry.runtime.errors import BugError, InfrastructureError, UnknownAnswer, VenueUnreachable
from outcry.runtime.observability import logger
from outcry.runtime.queues import Doorbell
from outcry.venues.port import DigestSigner, Market, Venue
from outcry.venues.weights import Weights

MARKETS_KEPT_FOR = timedelta(minutes=30)
LIVE_NETWORKS = frozenset({"mainnet", "testnet"})


@dataclass(frozen=True, slots=True)
class LoadedSigner:
    """An account's active signer, opened. `signer_id` names its row, which hands out the nonces; a paper account has none, and
    `confirmation`, what the venue said about it, belongs to that row.
    """

    signer_id: str | None
    key: DigestSigner
    confirmation: Confirmation | None = None


class Signers(Protocol):
    """Opens signers. Only the function that executes orders can decrypt what is behind it."""

    def active(self, account: Account) -> LoadedSigner | None:
        """The account's active signer, or None where it has none. Called outside of transactions: it may ask KMS.

        Raises SignerRefused where KMS refuses its key until a person acts, InfrastructureError where KMS does not answer.
        """
        ...

    def next_nonce(self, tx: Transaction, signer: LoadedSigner, *, now: datetime) -> int:
        """A nonce that this signer never used: greatest(last + 1, clock in ms), taken from the signer's row."""
        ...

    def forget(self, account: Account) -> None:
        """Drop what is kept in memory for the account: the venue refused its signer."""
        ...


class NoSigners:
    """The signers of a process that may not sign: there are none, and asking for one is a bug."""

    def active(self, account: Account) -> LoadedSigner | None:
        raise BugError(f"this function may not sign for {account.account_id}")

    def next_nonce(self, tx: Transaction, signer: LoadedSigner, *, now: datetime) -> int:
        raise BugError("this function may not take a nonce")

    def forget(self, account: Account) -> None:
        """There is nothing to forget."""


@dataclass(slots=True)
class Desk:
    """What every step of the ledger works with. One per process; nothing in it belongs to one order.

    `needs_canary`: the networks on which an account takes no entry before a canary has passed on it with this build. `weights`: the
    request weight that this process shares with others; None: it asks alone.
    """

    database: Database
    clock: Clock
    doorbell: Doorbell
    venues: Mapping[tuple[str, str], Venue]
    signers: Signers
    new_id: Callable[[], UUID]
    pause: Callable[[float], None]
    load_account: Callable[[Transaction, str], Account]
    needs_canary: frozenset[str] = LIVE_NETWORKS
    weights: Weights | None = None
    _markets: dict[tuple[str, str], tuple[datetime, Mapping[str, Market]]] = field(default_factory=dict)
    _accounts: dict[str, Account] = field(default_factory=dict)

    def venue(self, order_venue: str, network: str) -> Venue:
        """The venue of an order. Raises BugError where this process was not built for it."""
        venue = self.venues.get((order_venue, network))
        if venue is None:
            raise BugError(f"no venue {order_venue} on network {network} in this process")
        return venue

    def affords(self, weight: int) -> bool:
        """Whether a read that can wait may be made now: always where the process asks its venue alone."""
        return self.weights is None or self.weights.affords(weight)

    def book_weights(self) -> None:
        """Book the request weight that was used, where it is worth a statement. Opens a transaction of its own.

        Never fails what was done before it: what could not be booked is booked the next time.
        """
        if self.weights is None or not self.weights.is_to_be_booked():
            return
        try:
            with self.database.transaction() as tx:
                self.weights.book(tx)
        except InfrastructureError as error:
            logger.warning("Request weight could not be booked", extra={"kind": type(error).__name__})

    def venue_of(self, order: Order) -> Venue:
        """The venue that an order goes to."""
        return self.venue(order.venue, order.network)

    def account(self, account_id: str) -> Account:
        """The account, read once per process for its address and network. Opens a transaction of its own."""
        known = self._accounts.get(account_id)
        if known is None:
            with self.database.transaction() as tx:
                known = self._accounts[account_id] = self.load_account(tx, account_id)
        return known

    def unknown(self, account_ids: Iterable[str]) -> list[str]:
        """Those of the accounts that this process has not read yet."""
        return [account_id for account_id in account_ids if account_id not in self._accounts]

    def remember(self, accounts: Iterable[Account]) -> None:
        """Keep accounts that were read together, so that `account` does not read them one by one."""
        self._accounts.update((account.account_id, account) for account in accounts)

    def market(self, venue: Venue, name: str) -> Market | None:
        """A market's facts, read from the venue at most every half hour, and again where a name is missing.

        Facts that are older serve where the venue does not give new ones: an exit must not wait for them.
        """
        key = (venue.name, venue.network)
        now = self.clock.now()
        kept = self._markets.get(key)
        if kept is None or now - kept[0] > MARKETS_KEPT_FOR or name not in kept[1]:
            try:
                kept = self._markets[key] = (now, venue.markets())
            except (VenueUnreachable, UnknownAnswer):
                if kept is None or name not in kept[1]:
                    raise
                logger.warning("Markets could not be read: older facts are used", extra={"venue": venue.name})
        return kept[1].get(name)
