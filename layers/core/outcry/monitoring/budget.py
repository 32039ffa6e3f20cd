"""How many accounts one egress address can watch: what their passes ask of Hyperliquid, against what it allows an address a minute.

Promises: worked out from the venue's weights and our own beat, never written down by hand; counted is a minute in which every account
holds something and has one reading of its fills. Pure.

Source: Hyperliquid docs, rate-limits-and-user-limits: 1200 a minute and address; 2 for `clearinghouseState`, 20 for
`metaAndAssetCtxs`, `frontendOpenOrders`, `userFillsByTime` and `userFunding`.
"""

from outcry.monitoring.cover import LOOK_AT_ORDERS_EVERY
from outcry.monitoring.tick import ACCOUNTS_PER_MESSAGE, BEATS_S

WEIGHT_A_MINUTE = 1200
RESERVED_PERCENT = 20  # for `execute_orders`
MARKS_WEIGHT = 20
ACCOUNT_WEIGHT = 2
ORDERS_WEIGHT = 20
FILLS_WEIGHT = 20
FUNDING_WEIGHT_AN_HOUR = 20


def weight_a_minute(accounts: int, *, with_fills: bool = True) -> int:
    """The request weight of a minute's passes over so many accounts that all hold something, rounded up.

    `with_fills`: each has its fills read once, as when its stop or its target was executed; otherwise nothing happens.
    """
    beats, messages = len(BEATS_S), -(-accounts // ACCOUNTS_PER_MESSAGE)
    looks = -(-60 // int(LOOK_AT_ORDERS_EVERY.total_seconds()))
    each = beats * ACCOUNT_WEIGHT + looks * ORDERS_WEIGHT + (FILLS_WEIGHT if with_fills else 0)
    return messages * beats * MARKS_WEIGHT + accounts * each + -(-accounts * FUNDING_WEIGHT_AN_HOUR // 60)


def most_accounts(*, with_fills: bool = True) -> int:
    """The most accounts whose passes leave the reserve alone."""
    allowed = WEIGHT_A_MINUTE * (100 - RESERVED_PERCENT) // 100
    accounts = 0
    while weight_a_minute(accounts + 1, with_fills=with_fills) <= allowed:
        accounts += 1
    return accounts


ACCOUNTS_PER_ADDRESS = most_accounts()
QUIET_ACCOUNTS_PER_ADDRESS = most_accounts(with_fills=False)
