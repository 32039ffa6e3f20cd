"""Asks the venue, once a day and account, whether those who sign for it still may, and how it counts the account's margin.

Promises:
- Nothing is assumed: an answer that does not come leaves everything as it was, and is asked for again.
- A signer that the venue does not confirm opens nothing; the account's positions are UNMANAGED and people are paged, with what rests at
  the venue. It is asked about again every two minutes, so that management resumes by itself once it, or the signer that waits in the
  other slot, is confirmed: exits first.
- An end is told seven days ahead, once a day, and paged on the last day.
- At most one account a pass is asked about: 40 of the venue's weight, 100 where an address is not on its owner's list.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from outcry.agents.model import Account
from outcry.custody import approval, keyring
from outcry.custody.approval import Standing as At
from outcry.custody.approval import Verdict
from outcry.custody.record import SignerRecord, SignerStatus
from outcry.monitoring.standing_notices import (
    page_lost,
    page_mode,
    page_unreadable,
    tell_back,
    tell_end,
    tell_unnamed,
)
from outcry.orders import recovery
from outcry.orders.ports import Desk
from outcry.runtime.database import Transaction
from outcry.runtime.errors import BugError, VenueUnreachable
from outcry.runtime.observability import logger
from outcry.runtime.queues import Ring
from outcry.venues.approving import Approves, NamedSigner
from outcry.venues.port import AccountMode, OpenOrder, Venue

AGAIN_AFTER = timedelta(minutes=2)
LOOK_EVERY = timedelta(seconds=10)  # whether somebody is due; the answer costs one statement


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the venue said about an account. `waiting` is who was made and could take over, `resting` what is open at the venue."""

    account: Account
    mode: AccountMode
    active: tuple[SignerRecord, Verdict] | None
    waiting: tuple[SignerRecord, Verdict] | None
    resting: Sequence[OpenOrder] | None = None


@dataclass(slots=True)
class Standing:
    """The right to trade of the accounts that one process watches."""

    desk: Desk
    _looked_at: dict[tuple[str, ...], datetime] = field(default_factory=dict)
    _unread_at: dict[str, datetime] = field(default_factory=dict)

    def check(self, account_ids: Sequence[str], now: datetime) -> list[Ring]:
        """Ask about the account that is due for the longest time, if any. Returns what to ring, exits first."""
        key = tuple(account_ids)
        last = self._looked_at.get(key)
        if last is not None and now - last < LOOK_EVERY:
            return []
        self._looked_at[key] = now
        asked = [
            each for each in account_ids if now - self._unread_at.get(each, now - AGAIN_AFTER) >= AGAIN_AFTER
        ]
        with self.desk.database.transaction() as tx:
            due = keyring.account_to_look_at(tx, asked, now=now, again_after=AGAIN_AFTER)
            signers = () if due is None else keyring.signers_of(tx, due)
        if due is None:
            return []
        heard = self._hear(self.desk.account(due), signers, now)
        if heard is None:
            self._unread_at[due] = now
            return []
        with self.desk.database.transaction() as tx:
            return _conclude(tx, heard, now)

    def _hear(self, account: Account, signers: Sequence[SignerRecord], now: datetime) -> _Heard | None:
        """What the venue says, or None where one of its answers did not come or is not understood."""
        try:
            venue = self.desk.venue(account.venue, account.network)
            if not isinstance(venue, Approves):
                return None
            return _ask(venue, venue, account, signers, now)
        except VenueUnreachable:
            logger.warning(
                "A venue did not say whether a signer is approved", extra={"account_id": account.account_id}
            )
        except BugError as error:
            with self.desk.database.transaction() as tx:
                page_unreadable(tx, account, error, now=now)
            logger.warning(
                "A venue's word about a signer is not understood", extra={"account_id": account.account_id}
            )
        return None


def _ask(
    venue: Venue, approves: Approves, account: Account, signers: Sequence[SignerRecord], now: datetime
) -> _Heard:
    mode = venue.account_mode(account.address)
    listed = approves.named_signers(account.address)
    active = next((each for each in signers if each.status is SignerStatus.ACTIVE), None)
    if active is None:
        return _Heard(account, mode, None, None)
    verdict = approval.ask(approves, active, master=account.address, now=now, listed=listed)
    if verdict.is_confirmed:
        return _Heard(account, mode, (active, verdict), None)
    waiting = _waiting(signers, listed, approves, account, now)
    resting = None if waiting else tuple(venue.open_orders(account.address))
    return _Heard(account, mode, (active, verdict), waiting, resting)


def _waiting(
    signers: Sequence[SignerRecord],
    listed: Sequence[NamedSigner],
    venue: Approves,
    account: Account,
    now: datetime,
) -> tuple[SignerRecord, Verdict] | None:
    """The signer that was made for the account, is approved by its owner under a name, and signs for nobody yet."""
    names = {each.address for each in listed}
    for signer in signers:
        if signer.status is SignerStatus.CREATED and signer.address in names:
            verdict = approval.ask(venue, signer, master=account.address, now=now, listed=listed)
            if verdict.is_confirmed:
                return signer, verdict
    return None


# ─── what follows ───────────────────────────────────────────────────────────────────────────────────────────


def _conclude(tx: Transaction, heard: _Heard, now: datetime) -> list[Ring]:
    name = heard.account.account_id
    keyring.note_look(tx, name, margin_mode=heard.mode.value, now=now)
    if heard.mode is not AccountMode.STANDARD:
        page_mode(tx, heard.account, now=now)
    if heard.active is None:
        return []
    signer, verdict = heard.active
    was_lost = signer.confirmation.refused_at is not None
    is_news = keyring.note_verdict(tx, signer, verdict, now=now)
    if verdict.is_confirmed:
        tell_end(tx, signer, verdict.until, now=now)
        if verdict.standing is At.UNNAMED:
            tell_unnamed(tx, signer, now=now)
        return _back(tx, signer, verdict, now, after_loss=was_lost) if is_news else []
    if heard.waiting is not None:
        other, approved = heard.waiting
        keyring.activate_signer(tx, other.signer_id, approved, now=now)
        return _back(tx, other, approved, now, after_loss=True)
    recovery.suspend(tx, name, now=now)
    page_lost(tx, signer, verdict, heard.resting or (), now=now)
    return []


def _back(
    tx: Transaction, signer: SignerRecord, verdict: Verdict, now: datetime, *, after_loss: bool
) -> list[Ring]:
    if after_loss:
        tell_back(tx, signer, verdict, now=now)
    return recovery.resume(tx, signer.account_id, now=now)
