"""Keeps a part of an account's requests for what closes and protects: entries and nearer stops end before the last of them.

Promises:
- Asks the venue once a day, and more often the less is left; at once again after it has refused for that.
- Never asked about an exit, a first stop or a cancellation: those go out whatever is left.
- An account whose venue counts no requests, or that cannot be asked just now, has room.

Source: Hyperliquid docs, rate-limits-and-user-limits: 10,000 requests of an account, and one more for each USDC that it traded; an
account that has used them up may make one in ten seconds.
"""

from datetime import datetime, timedelta

from outcry.agents.model import Account
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.orders.risk import Refusal
from outcry.runtime.clock import Clock
from outcry.runtime.database import Transaction
from outcry.runtime.errors import UnknownAnswer, VenueUnreachable
from outcry.runtime.observability import logger
from outcry.runtime.reasons import Reason
from outcry.venues.counting import CountsRequests, RequestBudget
from outcry.venues.port import Venue

KEPT_FOR_EXITS = 1_000
# how long an answer is believed, by how often what is kept for exits is left
_BELIEVED = (
    (8, timedelta(days=1)),
    (3, timedelta(hours=1)),
    (0, timedelta(minutes=10)),
)


class RequestReserve:
    """What each account may still ask of its venue, as one process knows it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[datetime, RequestBudget]] = {}

    def objection(self, account: Account, venue: Venue, *, may_ask: bool = True) -> Refusal | None:
        """Why nothing may be opened and no stop moved, or None. `may_ask`: whether the venue may be asked again now."""
        if not isinstance(venue, CountsRequests):
            return None
        budget = self._budget(account.address, venue, may_ask)
        if budget is None or budget.left > KEPT_FOR_EXITS:
            return None
        return Refusal(
            Reason.REQUESTS_KEPT_FOR_EXITS,
            f"{budget.left} of the account's {budget.cap} requests are left, {KEPT_FOR_EXITS} are kept for exits",
        )

    def forget(self, account: Account) -> None:
        """The venue refused because they are used up: what was known is wrong."""
        self._known.pop(account.address, None)

    def _budget(self, address: str, venue: CountsRequests, may_ask: bool) -> RequestBudget | None:
        now = self._clock.now()
        known = self._known.get(address)
        if known is not None and (not may_ask or now - known[0] < _believed(known[1])):
            return known[1]
        if not may_ask:
            return None
        try:
            budget = venue.request_budget(address)
        except (VenueUnreachable, UnknownAnswer) as error:
            logger.warning("An account's requests could not be read", extra={"kind": type(error).__name__})
            return None if known is None else known[1]
        self._known[address] = (now, budget)
        return budget


def _believed(budget: RequestBudget) -> timedelta:
    times = budget.left // KEPT_FOR_EXITS
    return next(lasting for least, lasting in _BELIEVED if times >= least)


def tell_reserve(tx: Transaction, account: Account, refusal: Refusal, *, now: datetime) -> None:
    """Tell people, once a day and account, that it opens nothing any more and why."""
    tell(
        tx,
        level=Level.WARNING,
        topic="requests",
        subject=f"{account.account_id} has few requests left at {account.venue}",
        text=(
            f"{refusal.detail}. Entries are skipped, and trailing stops stay where they rest; exits and first stops go out. The "
            "venue gives one request for each USDC that the account trades: trade on it, or use another account."
        ),
        dedupe_key=f"requests:{account.account_id}:{now:%Y-%m-%d}",
        now=now,
    )
