"""What one address may ask of a venue in a minute, shared by every process behind that address through the database.

Promises:
- A fifth of the limit is kept for those who carry out orders; everybody else counts with four fifths, and is told when they
  are used up. Nobody is stopped by it: whoever asks `affords` decides what can wait.
- One statement books what was used since the last booking together with what is about to be used, so that two who book in the
  same moment see each other. What was paid for in advance and not used comes back with the next booking.
- A 429 teaches: the minute counts as full for everybody behind the address, whatever the book said.

The limit itself is a venue's: 1200 a minute and address at Hyperliquid (docs, rate-limits-and-user-limits). The venue counts a
moving minute, so this minute counts in full and the last one with what of it is less than a minute ago.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from outcry.runtime.clock import Clock
from outcry.runtime.database import Transaction
from outcry.venues import weights_store

PER_MINUTE = 1200
MARKS_WEIGHT = LIST_WEIGHT = 20  # all marks; an account's open orders, fills or funding; the markets
ACCOUNT_WEIGHT = 2
READERS_FRAC = Decimal("0.8")
BOOK_AFTER = timedelta(seconds=15)
BOOK_FROM = 100  # weight that waits to be booked: about that of one entry with its protections


class Weights:
    """One process's share of an address's request weight. `egress` names the address; `per_minute` is what the desk may use."""

    def __init__(
        self, clock: Clock, *, venue: str, egress: str, per_minute: int = PER_MINUTE, carries_orders: bool
    ) -> None:
        self._clock = clock
        self._venue, self._egress = venue, egress
        self._per_minute = per_minute
        self._bound = per_minute if carries_orders else int(per_minute * READERS_FRAC)
        self._left = self._bound
        self._prepaid = 0
        self._unbooked = 0
        self._booked_at: datetime | None = None
        self._is_refused = False

    def spend(self, weight: int) -> None:
        """Count a request that goes out now."""
        from_prepaid = min(weight, self._prepaid)
        self._prepaid -= from_prepaid
        self._unbooked += weight - from_prepaid
        self._left -= weight - from_prepaid

    def refused(self) -> None:
        """The venue said that the weight is used up (HTTP 429)."""
        self._is_refused = True
        self._left = min(self._left, 0)

    def affords(self, weight: int) -> bool:
        """Whether a request that can wait may be made now."""
        return weight <= self._left

    def is_to_be_booked(self) -> bool:
        """Whether enough was used, or long enough ago, to be worth a statement."""
        if self._is_refused or self._unbooked >= BOOK_FROM:
            return True
        is_old = self._booked_at is None or self._clock.now() - self._booked_at >= BOOK_AFTER
        return self._unbooked > 0 and is_old

    def book(self, tx: Transaction, *, ahead: int = 0) -> None:
        """Book what was used since the last time and what is used next, and learn what is left. One statement.

        Where the transaction is rolled back, what it would have booked is forgotten: it is a measure, not money.
        """
        now = self._clock.now()
        used = weights_store.book(
            tx,
            self._venue,
            self._egress,
            now=now,
            weight=self._unbooked + ahead - self._prepaid,
            at_least=self._per_minute if self._is_refused else 0,
        )
        self._unbooked, self._prepaid, self._is_refused = 0, ahead, False
        self._booked_at = now
        self._left = self._bound - used
