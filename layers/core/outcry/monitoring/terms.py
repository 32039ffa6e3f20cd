"""The facts of the market that a position is held in, or their absence: what cannot be had now holds up no other position."""

from outcry.orders.ports import Desk
from outcry.positions.standing import Standing
from outcry.runtime.errors import BugError, VenueUnreachable
from outcry.runtime.observability import logger
from outcry.venues.port import Market, Venue


def terms_of(desk: Desk, position: Standing) -> tuple[Venue, Market] | None:
    """The venue and the market's facts; None, with a line in the log, where the venue does not list or does not answer."""
    try:
        venue = desk.venue(position.venue, position.network)
        market = desk.market(venue, position.market)
    except (VenueUnreachable, BugError) as error:
        logger.warning(
            "A market's facts could not be read", extra={"market": position.market, "why": str(error)}
        )
        return None
    if market is None:
        logger.error("A position is held in a market that is not listed", extra={"market": position.market})
        return None
    return venue, market
