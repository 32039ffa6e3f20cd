"""What an account looked like before each of its last changes, for readers that are shown an older moment.

Promises: `remember` is called before anything changes an account; `as_of` gives what held at a moment, as
far back as the kept changes reach, and the present where nothing changed since. Never changes an account.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local.hyperliquid.accounts import Account
from local.hyperliquid.answers import Json
from local.hyperliquid.info_user import clearinghouse_state, frontend_open_orders, open_orders
from local.hyperliquid.state import Venue

SHOWN_LATE = ("clearinghouseState", "frontendOpenOrders", "openOrders")


@dataclass(frozen=True, slots=True)
class Past:
    """The three answers as they were until `until_ms`, when something changed."""

    until_ms: int
    state: Json
    frontend: Sequence[Json]
    plain: Sequence[Json]


def remember(venue: Venue, account: Account) -> None:
    """Keep how the account looks now, before a change. Of one moment the first look is kept."""
    kept = account.past
    if kept and kept[-1].until_ms == venue.now_ms:
        return
    kept.append(
        Past(
            venue.now_ms,
            clearinghouse_state(venue, account),
            frontend_open_orders(account),
            open_orders(account),
        )
    )


def as_of(venue: Venue, account: Account, kind: str, moment_ms: int) -> Any:
    """The answer of `kind` (one of SHOWN_LATE) as a reader of that moment got it."""
    found: Past | None = next((past for past in account.past if past.until_ms > moment_ms), None)
    if kind == "clearinghouseState":
        state = found.state if found is not None else clearinghouse_state(venue, account)
        return {**state, "time": moment_ms}
    if kind == "frontendOpenOrders":
        return found.frontend if found is not None else frontend_open_orders(account)
    return found.plain if found is not None else open_orders(account)
