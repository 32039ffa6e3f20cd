"""Refusals in few words: each reason why a signal or an entry was refused belongs to one of seven groups.

Promises: total (every reason of a refusal has exactly one group) and closed: the groups are what dashboards count by, so that a new
reason makes no new series. Why a post is no call, and what ended a position, are no refusals and have no group.
"""

from enum import StrEnum

from outcry.runtime.reasons import Reason


class ReasonGroup(StrEnum):
    """What stood in the way."""

    EVIDENCE = "evidence"  # the call does not weigh enough for the agent
    MARKET = "market"  # the token, the side or the market is not for trading
    CONTROL = "control"  # people or protections forbid it, or nothing is at work
    TIME = "time"  # too late, or nothing fresh to decide by
    PLACE = "place"  # something is in the place already, or nothing is
    LIMIT = "limit"  # a cap, a minimum or the margin leaves no room
    VENUE = "venue"  # the venue, or the signer that it knows, refused


_MEMBERS: dict[ReasonGroup, tuple[Reason, ...]] = {
    ReasonGroup.EVIDENCE: (
        Reason.AUTHOR_WEIGHT_ZERO,
        Reason.CONVICTION_TOO_LOW,
        Reason.SCORE_TOO_LOW,
        Reason.OPPOSED_BY_OTHERS,
    ),
    ReasonGroup.MARKET: (Reason.MARKET_NOT_LISTED, Reason.STABLECOIN, Reason.SIDE_NOT_ALLOWED),
    ReasonGroup.CONTROL: (
        Reason.NO_DEPLOYMENT,
        Reason.CLOSE_CALLS_IGNORED,
        Reason.AGENT_INACTIVE,
        Reason.PAUSED,
        Reason.HALTED,
        Reason.FLATTENING,
        Reason.LOCKED,
        Reason.DEPLOYMENT_NOT_ACTIVE,
        Reason.CANARY_MISSING,
    ),
    ReasonGroup.TIME: (
        Reason.CALL_TOO_OLD,
        Reason.ENTRY_TOO_LATE,
        Reason.MARK_RAN_AWAY,
        Reason.MARK_STALE,
        Reason.SNAPSHOT_STALE,
    ),
    ReasonGroup.PLACE: (
        Reason.NOTHING_TO_CLOSE,
        Reason.PLACE_TAKEN,
        Reason.OPPOSITE_POSITION,
        Reason.FOREIGN_POSITION,
        Reason.FOREIGN_ORDER,
        Reason.NO_LONGER_NEEDED,
    ),
    ReasonGroup.LIMIT: (
        Reason.SIZE_BELOW_MINIMUM,
        Reason.CAP_PER_TRADE,
        Reason.CAP_PER_MARKET,
        Reason.CAP_PER_AUTHOR,
        Reason.CAP_PER_AGENT,
        Reason.CAP_PER_ACCOUNT,
        Reason.CAP_PER_DAY,
        Reason.CAP_OPEN_POSITIONS,
        Reason.MARGIN_TOO_LOW,
        Reason.STOP_BEYOND_LIQUIDATION,
    ),
    ReasonGroup.VENUE: (
        Reason.ACCOUNT_MODE_UNKNOWN,
        Reason.NO_SIGNER,
        Reason.SIGNER_KEY_REFUSED,
        Reason.SIGNER_UNCONFIRMED,
        Reason.SIGNER_EXPIRED,
        Reason.SIGNER_INVALID,
        Reason.VENUE_MINIMUM,
        Reason.VENUE_MARGIN,
        Reason.VENUE_NO_LIQUIDITY,
        Reason.VENUE_MARKET_STATE,
        Reason.VENUE_RATE_LIMIT,
        Reason.REQUESTS_KEPT_FOR_EXITS,
        Reason.VENUE_NOT_NOW,
        Reason.VENUE_ALREADY_FLAT,
        Reason.VENUE_TRIGGER_CROSSED,
        Reason.VENUE_LEVERAGE,
        Reason.VENUE_REFUSED,
        Reason.NEVER_EXECUTED,
    ),
}
_GROUPS = {reason: group for group, members in _MEMBERS.items() for reason in members}


def group_of(reason: str | None) -> ReasonGroup | None:
    """The group of a refusal's reason as it is stored; None for what is no refusal."""
    return _GROUPS.get(Reason(reason)) if reason is not None and reason in Reason else None
