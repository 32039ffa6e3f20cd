"""What the venue says about an account's signers when a person asks: whether one is approved, and whether there is room for another.

Promises: reads only, with addresses and nothing else; what the venue does not say is never assumed.
"""

import os
from collections.abc import Sequence
from datetime import datetime, timedelta

from outcry import wiring
from outcry.agents.model import Account
from outcry.cli.edge import network
from outcry.custody import approval
from outcry.custody.approval import Verdict
from outcry.custody.record import SignerRecord
from outcry.runtime.errors import BugError, ConfigurationError, InfrastructureError
from outcry.runtime.settings import PREFIX, Network
from outcry.venues.hyperliquid.client import MAINNET_URL, TESTNET_URL
from outcry.venues.hyperliquid.venue import HyperliquidVenue

HYPERLIQUID = "hyperliquid"
SAME_DAY = timedelta(days=1)  # an operator writes the day on which an approval ends
_URL = f"{PREFIX}HYPERLIQUID_URL"
_KNOWN_URLS = {Network.MAINNET: MAINNET_URL, Network.TESTNET: TESTNET_URL}


def venue_of(account: Account) -> HyperliquidVenue:
    """The venue of an account, to read from. Raises ConfigurationError where it is of another network, or its address is not known."""
    here = network()
    if account.venue != HYPERLIQUID or account.network != here:
        raise ConfigurationError(
            "account",
            account.account_id,
            f"it is on {account.venue} ({account.network}), this installation on {HYPERLIQUID} ({here})",
        )
    url = os.environ.get(_URL) or _KNOWN_URLS.get(Network(here))
    if url is None:
        raise ConfigurationError(_URL, None, "the venue has to be asked whether it knows the signer")
    return HyperliquidVenue(here, url, wiring.clock(), connect_timeout_s=3, read_timeout_s=5)


def verdict_on(account: Account, signer: SignerRecord, now: datetime) -> Verdict:
    """What the venue says about a signer now. Raises InfrastructureError or UnknownAnswer where it does not."""
    return approval.ask(venue_of(account), signer, master=account.address, now=now)


def check_day(verdict: Verdict, day: datetime | None) -> None:
    """Raises ConfigurationError where the person takes another day for the end of the approval than the venue."""
    until = verdict.until
    if day is not None and until is not None and abs(until - day) > SAME_DAY:
        raise ConfigurationError(
            "--valid-until",
            f"{day:%Y-%m-%d}",
            f"the venue approves it until {until:%Y-%m-%d}: its word counts, leave the option out",
        )


def room_for(
    account: Account, ours: Sequence[SignerRecord], slot: int, now: datetime, *, beyond: bool
) -> str:
    """What to know before another key is made for the slot; empty where there is nothing.

    Raises ConfigurationError where the owner cannot approve one more, unless `beyond` says that the venue allows this owner more.
    """
    try:
        listed = venue_of(account).named_signers(account.address)
    except (ConfigurationError, InfrastructureError, BugError) as error:
        return f" How many API wallets the owner has at the venue could not be asked: {error}."
    full = approval.no_room_for_another(listed, ours, slot=slot, now=now)
    if full is not None and not beyond:
        raise ConfigurationError(
            "account", account.account_id, f"{full}, or say --beyond-three where it allows this owner more"
        )
    stranger = approval.whose_name(listed, ours, slot=slot)
    if stranger is None:
        return ""
    return f" Approving under {approval.name_of(slot)} ends {stranger}, which has that name and is not of this desk."
