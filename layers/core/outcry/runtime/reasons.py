"""Why something was not done: every refusal of the pipeline, with the sentence that a person reads.

A refusal is recorded with its row and acknowledged; it is never raised and never retried blindly.
The names are stored in Postgres and shown in the console: rename none, add new ones at the end of their stage.
"""

from enum import StrEnum


class Reason(StrEnum):
    """A refusal's stable name; `sentence` says it in words."""

    # posts and calls
    REPOST = "REPOST"
    PAID_PARTNERSHIP = "PAID_PARTNERSHIP"
    AUTHOR_NOT_FOLLOWED = "AUTHOR_NOT_FOLLOWED"
    NO_CALL = "NO_CALL"
    POST_TOO_OLD = "POST_TOO_OLD"
    AMBIGUOUS_TICKER = "AMBIGUOUS_TICKER"
    SUSPICIOUS_TEXT = "SUSPICIOUS_TEXT"

    # signals
    AUTHOR_WEIGHT_ZERO = "AUTHOR_WEIGHT_ZERO"
    CALL_TOO_OLD = "CALL_TOO_OLD"
    CONVICTION_TOO_LOW = "CONVICTION_TOO_LOW"
    SCORE_TOO_LOW = "SCORE_TOO_LOW"
    OPPOSED_BY_OTHERS = "OPPOSED_BY_OTHERS"
    MARKET_NOT_LISTED = "MARKET_NOT_LISTED"
    STABLECOIN = "STABLECOIN"
    SIDE_NOT_ALLOWED = "SIDE_NOT_ALLOWED"
    NO_DEPLOYMENT = "NO_DEPLOYMENT"
    NOTHING_TO_CLOSE = "NOTHING_TO_CLOSE"
    CLOSE_CALLS_IGNORED = "CLOSE_CALLS_IGNORED"
    AGENT_INACTIVE = "AGENT_INACTIVE"

    # orders: approval
    PAUSED = "PAUSED"
    HALTED = "HALTED"
    FLATTENING = "FLATTENING"
    LOCKED = "LOCKED"
    DEPLOYMENT_NOT_ACTIVE = "DEPLOYMENT_NOT_ACTIVE"
    ENTRY_TOO_LATE = "ENTRY_TOO_LATE"
    MARK_RAN_AWAY = "MARK_RAN_AWAY"
    MARK_STALE = "MARK_STALE"
    SNAPSHOT_STALE = "SNAPSHOT_STALE"
    PLACE_TAKEN = "PLACE_TAKEN"
    OPPOSITE_POSITION = "OPPOSITE_POSITION"
    FOREIGN_POSITION = "FOREIGN_POSITION"
    FOREIGN_ORDER = "FOREIGN_ORDER"
    SIZE_BELOW_MINIMUM = "SIZE_BELOW_MINIMUM"
    CAP_PER_TRADE = "CAP_PER_TRADE"
    CAP_PER_MARKET = "CAP_PER_MARKET"
    CAP_PER_AUTHOR = "CAP_PER_AUTHOR"
    CAP_PER_AGENT = "CAP_PER_AGENT"
    CAP_PER_ACCOUNT = "CAP_PER_ACCOUNT"
    CAP_PER_DAY = "CAP_PER_DAY"
    CAP_OPEN_POSITIONS = "CAP_OPEN_POSITIONS"
    MARGIN_TOO_LOW = "MARGIN_TOO_LOW"
    STOP_BEYOND_LIQUIDATION = "STOP_BEYOND_LIQUIDATION"
    ACCOUNT_MODE_UNKNOWN = "ACCOUNT_MODE_UNKNOWN"
    NO_SIGNER = "NO_SIGNER"
    CANARY_MISSING = "CANARY_MISSING"
    SIGNER_KEY_REFUSED = "SIGNER_KEY_REFUSED"
    SIGNER_UNCONFIRMED = "SIGNER_UNCONFIRMED"
    SIGNER_EXPIRED = "SIGNER_EXPIRED"

    # orders: at the venue
    SIGNER_INVALID = "SIGNER_INVALID"
    VENUE_MINIMUM = "VENUE_MINIMUM"
    VENUE_MARGIN = "VENUE_MARGIN"
    VENUE_NO_LIQUIDITY = "VENUE_NO_LIQUIDITY"
    VENUE_MARKET_STATE = "VENUE_MARKET_STATE"
    VENUE_RATE_LIMIT = "VENUE_RATE_LIMIT"
    REQUESTS_KEPT_FOR_EXITS = "REQUESTS_KEPT_FOR_EXITS"
    VENUE_NOT_NOW = "VENUE_NOT_NOW"
    VENUE_ALREADY_FLAT = "VENUE_ALREADY_FLAT"
    VENUE_TRIGGER_CROSSED = "VENUE_TRIGGER_CROSSED"
    VENUE_LEVERAGE = "VENUE_LEVERAGE"
    VENUE_REFUSED = "VENUE_REFUSED"
    NEVER_EXECUTED = "NEVER_EXECUTED"
    NO_LONGER_NEEDED = "NO_LONGER_NEEDED"

    # positions: why one was closed
    STOP_LOSS = "STOP_LOSS"
    TRAILING_STOP = "TRAILING_STOP"
    TAKE_PROFIT = "TAKE_PROFIT"
    TIME_LIMIT = "TIME_LIMIT"
    LIQUIDATION_BUFFER = "LIQUIDATION_BUFFER"
    LIQUIDATED = "LIQUIDATED"
    CLOSE_CALL = "CLOSE_CALL"
    PERSON = "PERSON"
    FLATTEN = "FLATTEN"
    UNPROTECTED = "UNPROTECTED"
    CLOSED_ELSEWHERE = "CLOSED_ELSEWHERE"
    FOREIGN_CLOSED = "FOREIGN_CLOSED"

    @property
    def sentence(self) -> str:
        """The reason in words, for people."""
        return _SENTENCES[self]


_SENTENCES: dict[Reason, str] = {
    Reason.REPOST: "The post repeats somebody else's words.",
    Reason.PAID_PARTNERSHIP: "The post is a disclosed paid partnership and weighs nothing.",
    Reason.AUTHOR_NOT_FOLLOWED: "No agent follows the author.",
    Reason.NO_CALL: "The post states no trade of its author's own.",
    Reason.POST_TOO_OLD: "The post was already too old when it was heard.",
    Reason.AMBIGUOUS_TICKER: "The ticker may mean more than one token.",
    Reason.SUSPICIOUS_TEXT: "The text tries to trick its reader: hidden or look-alike characters, or instructions to a machine.",
    Reason.AUTHOR_WEIGHT_ZERO: "The agent gives this author no weight.",
    Reason.CALL_TOO_OLD: "The call is older than the agent acts on.",
    Reason.CONVICTION_TOO_LOW: "The call's conviction is below the agent's minimum.",
    Reason.SCORE_TOO_LOW: "The weighted evidence is below the agent's minimum score.",
    Reason.OPPOSED_BY_OTHERS: "Other followed authors say the opposite, and they outweigh this call.",
    Reason.MARKET_NOT_LISTED: "None of the agent's venues trades this token.",
    Reason.STABLECOIN: "The token is a stablecoin.",
    Reason.SIDE_NOT_ALLOWED: "The agent does not trade this side.",
    Reason.NO_DEPLOYMENT: "The agent is not at work on any account.",
    Reason.NOTHING_TO_CLOSE: "The author closes a trade that we do not hold.",
    Reason.CLOSE_CALLS_IGNORED: "The agent does not follow its authors out of a trade.",
    Reason.AGENT_INACTIVE: "The agent is switched off.",
    Reason.PAUSED: "Entries are paused.",
    Reason.HALTED: "Trading is halted.",
    Reason.FLATTENING: "Positions are being flattened.",
    Reason.LOCKED: "A protection forbids entries for now.",
    Reason.DEPLOYMENT_NOT_ACTIVE: "The deployment takes no new entries.",
    Reason.ENTRY_TOO_LATE: "The entry was not placed before its deadline.",
    Reason.MARK_RAN_AWAY: "The price moved further from the call than the agent chases.",
    Reason.MARK_STALE: "There is no fresh mark for this market.",
    Reason.SNAPSHOT_STALE: "The account was not read recently enough to size a trade.",
    Reason.PLACE_TAKEN: "A position or an order of ours is already in this place.",
    Reason.OPPOSITE_POSITION: "We hold the opposite side in this place.",
    Reason.FOREIGN_POSITION: "Somebody else's position is in this place.",
    Reason.FOREIGN_ORDER: "Somebody else's order rests in this place.",
    Reason.SIZE_BELOW_MINIMUM: "The trade would be smaller than the venue takes.",
    Reason.CAP_PER_TRADE: "The limit per trade leaves no room.",
    Reason.CAP_PER_MARKET: "The limit per market leaves no room.",
    Reason.CAP_PER_AUTHOR: "The limit per author leaves no room.",
    Reason.CAP_PER_AGENT: "The limit per agent leaves no room.",
    Reason.CAP_PER_ACCOUNT: "The limit per account leaves no room.",
    Reason.CAP_PER_DAY: "The limit per day leaves no room.",
    Reason.CAP_OPEN_POSITIONS: "The limit of open positions is reached.",
    Reason.MARGIN_TOO_LOW: "The account has too little free margin.",
    Reason.STOP_BEYOND_LIQUIDATION: "The stop would lie beyond the liquidation price.",
    Reason.ACCOUNT_MODE_UNKNOWN: "The account's margin mode is not one that we can size in.",
    Reason.NO_SIGNER: "The account has no active signer.",
    Reason.CANARY_MISSING: "No canary has passed on this account with this version.",
    Reason.SIGNER_KEY_REFUSED: "KMS refuses the signer's key: it is disabled, about to be deleted, gone, or not allowed to us.",
    Reason.SIGNER_UNCONFIRMED: "The venue does not confirm the account's signer.",
    Reason.SIGNER_EXPIRED: "The approval of the account's signer has ended.",
    Reason.SIGNER_INVALID: "The venue does not accept the signer: its approval is missing, expired or revoked.",
    Reason.VENUE_MINIMUM: "The venue found the order too small.",
    Reason.VENUE_MARGIN: "The venue found too little margin.",
    Reason.VENUE_NO_LIQUIDITY: "Nothing rested within the price bound.",
    Reason.VENUE_MARKET_STATE: "The market does not take this order at this price now.",
    Reason.VENUE_RATE_LIMIT: "The venue's request limit is used up.",
    Reason.REQUESTS_KEPT_FOR_EXITS: "The last requests that the venue allows the account are kept for exits.",
    Reason.VENUE_NOT_NOW: "The venue takes no such order at the moment.",
    Reason.VENUE_ALREADY_FLAT: "There was nothing left to reduce.",
    Reason.VENUE_TRIGGER_CROSSED: "The trigger price was already crossed.",
    Reason.VENUE_LEVERAGE: "The venue refused the leverage.",
    Reason.VENUE_REFUSED: "The venue refused the order.",
    Reason.NEVER_EXECUTED: "It is proven that the request was never executed.",
    Reason.NO_LONGER_NEEDED: "Its position is gone.",
    Reason.STOP_LOSS: "The stop loss was reached.",
    Reason.TRAILING_STOP: "The trailing stop was reached.",
    Reason.TAKE_PROFIT: "The last take-profit step was reached.",
    Reason.TIME_LIMIT: "The time limit was reached.",
    Reason.LIQUIDATION_BUFFER: "The mark came too near to the liquidation price.",
    Reason.LIQUIDATED: "The venue liquidated the position.",
    Reason.CLOSE_CALL: "The author closed the trade.",
    Reason.PERSON: "A person closed it.",
    Reason.FLATTEN: "Everything was flattened.",
    Reason.UNPROTECTED: "No stop could be placed in time, so the position was closed.",
    Reason.CLOSED_ELSEWHERE: "It was closed outside Outcry.",
    Reason.FOREIGN_CLOSED: "A discovered position was closed, as its account's policy says.",
}
