"""What people are told about the right to trade: an end that comes near, a signer that is lost or back, an account's margin mode."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from outcry.agents.model import Account
from outcry.custody.approval import Verdict, name_of
from outcry.custody.record import SignerRecord
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.runtime.database import Transaction
from outcry.venues.port import OpenOrder

TOLD_AHEAD = timedelta(days=7)
LAST_DAY = timedelta(days=1)


def tell_end(tx: Transaction, signer: SignerRecord, until: datetime | None, *, now: datetime) -> None:
    """Tell once a day from the seventh day before an approval ends, and page on the last."""
    if until is None or until - now > TOLD_AHEAD:
        return
    other = 3 - signer.slot
    tell(
        tx,
        level=Level.PAGE if until - now <= LAST_DAY else Level.WARNING,
        topic="signers",
        subject=f"The approval of {signer.signer_id} ends on {until:%Y-%m-%d %H:%M} UTC",
        text=(
            f"From then on {signer.account_id} takes no entries, and its exits are at the venue's mercy. Make a signer in the other slot"
            f" (`outcry signer create {signer.account_id} --slot {other}`), approve it as {name_of(other)}, activate it."
        ),
        dedupe_key=f"signer-ends:{signer.signer_id}:{until:%Y-%m-%dT%H:%M}:{now:%Y-%m-%d}",
        now=now,
    )


def page_lost(
    tx: Transaction, signer: SignerRecord, verdict: Verdict, resting: Sequence[OpenOrder], *, now: datetime
) -> None:
    """The venue does not confirm who signs: once when it is found, and once a day while it stays so."""
    tell(
        tx,
        level=Level.PAGE,
        topic="signers",
        subject=f"Nobody can sign for {signer.account_id}: {signer.signer_id} is not confirmed by {signer.venue}",
        text=(
            f"The venue says: {verdict.says}. No entry is made. Positions are UNMANAGED: exits and stops are tried again every minute, and"
            f" fail while the venue does not take the signer. {_in_words(resting)} Make a signer in the other slot and let the owner"
            " approve it: it takes over by itself."
        ),
        dedupe_key=f"signer-lost:{signer.signer_id}:{verdict.standing}:{now:%Y-%m-%d}",
        now=now,
    )


def tell_back(tx: Transaction, signer: SignerRecord, verdict: Verdict, *, now: datetime) -> None:
    """Somebody can sign for the account again."""
    tell(
        tx,
        level=Level.WARNING,
        topic="signers",
        subject=f"{signer.signer_id} signs for {signer.account_id}, confirmed by {signer.venue}",
        text=f"{verdict.says}. Exits and protections that waited are tried at once, entries are made again.",
        dedupe_key=f"signer-back:{signer.signer_id}:{now:%Y-%m-%dT%H:%M}",
        now=now,
    )


def tell_unnamed(tx: Transaction, signer: SignerRecord, *, now: datetime) -> None:
    """An approval without a name ends when somebody opens the venue's own page: a warning a day."""
    tell(
        tx,
        level=Level.WARNING,
        topic="signers",
        subject=f"{signer.signer_id} is approved without a name",
        text=(
            "Whoever opens the venue's own page with the account's wallet replaces it, and nobody is told its end. Make a signer in the"
            f" other slot and approve it as {name_of(3 - signer.slot)}."
        ),
        dedupe_key=f"signer-unnamed:{signer.signer_id}:{now:%Y-%m-%d}",
        now=now,
    )


def page_mode(tx: Transaction, account: Account, *, now: datetime) -> None:
    """The account counts margin in a way that we cannot size in: a page a day, while exits go on."""
    tell(
        tx,
        level=Level.PAGE,
        topic="accounts",
        subject=f"{account.account_id} is in a unified or portfolio margin mode",
        text="No entry is made on it. Exits and stops go on. The owner switches the mode off at the venue.",
        dedupe_key=f"margin-mode:{account.account_id}:{now:%Y-%m-%d}",
        now=now,
    )


def page_unreadable(tx: Transaction, account: Account, error: Exception, *, now: datetime) -> None:
    """The venue's answer is in no catalogue: nothing is concluded from it."""
    tell(
        tx,
        level=Level.PAGE,
        topic="signers",
        subject=f"What the venue says about the signers of {account.account_id} is not understood",
        text=f"{error}. Nothing is concluded from it: confirmed signers go on, others stay without entries.",
        dedupe_key=f"signer-unreadable:{account.account_id}:{now:%Y-%m-%d}",
        now=now,
    )


def _in_words(resting: Sequence[OpenOrder]) -> str:
    if not resting:
        return "Nothing rests at the venue: close or protect by hand what must not stay open."
    each = ", ".join(
        f"{order.market} {order.trigger.kind.value if order.trigger else 'order'}"
        f" {order.trigger.price if order.trigger else ''} ({order.size:f})"
        for order in resting
    )
    return f"At the venue there rest, and work: {each}."
