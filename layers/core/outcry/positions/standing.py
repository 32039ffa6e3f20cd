"""What the monitor needs of an open position at every mark: a small part of its row. Pure data."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from outcry.agents.model import Trailing
from outcry.positions.model import PositionStatus
from outcry.runtime.side import Side


class Standing(NamedTuple):
    """An owned position that holds its place, as a pass sees it. Whoever acts on it loads the whole row, locked, first.

    `key` is its id as text; `held` is what must be protected (see `Position.held`); prices are in the market's quote. A tuple, because
    thousands are made in a pass, and a frozen dataclass takes three times as long.
    """

    key: str
    account_id: str
    venue: str
    network: str
    position_key: str
    market: str
    side: Side
    status: PositionStatus
    version: int
    held: Decimal
    entry_price: Decimal | None
    stop_price: Decimal | None
    liquidation_price: Decimal | None
    peak: Decimal | None
    trail_price: Decimal | None
    crossed_since: datetime | None
    protected_at: datetime | None
    opened_at: datetime | None
    trailing: Trailing | None
    time_limit: timedelta | None
    liquidation_buffer_frac: Decimal
    trace_id: str

    @property
    def position_id(self) -> UUID:
        return UUID(self.key)

    def moved(self, peak: Decimal, trail_price: Decimal | None, crossed_since: datetime | None) -> "Standing":
        """As the row is once a pass has written these. `_replace` takes several times as long."""
        return Standing(
            self.key,
            self.account_id,
            self.venue,
            self.network,
            self.position_key,
            self.market,
            self.side,
            self.status,
            self.version + 1,
            self.held,
            self.entry_price,
            self.stop_price,
            self.liquidation_price,
            peak,
            trail_price,
            crossed_since,
            self.protected_at,
            self.opened_at,
            self.trailing,
            self.time_limit,
            self.liquidation_buffer_frac,
            self.trace_id,
        )
