"""An account's signer as the ledger uses it: opened by custody for a live account, keyless for a paper one."""

from datetime import datetime

from outcry.agents.model import Account
from outcry.custody.keyring import Keyring
from outcry.orders import actions_store
from outcry.orders.model import Action
from outcry.orders.ports import LoadedSigner
from outcry.orders.risk import Refusal
from outcry.runtime.database import Transaction
from outcry.runtime.reasons import Reason
from outcry.venues.paper.wire import PaperSigner
from outcry.venues.port import Outcome, RefusalKind, Refused

PAPER = "paper"


class AccountSigners:
    """The `orders.ports.Signers` of a process that may open keys."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def active(self, account: Account) -> LoadedSigner | None:
        if account.venue == PAPER:
            return LoadedSigner(None, PaperSigner(account.address))
        opened = self._keyring.active(account.account_id)
        return None if opened is None else LoadedSigner(opened.signer_id, opened.key, opened.confirmation)

    def next_nonce(self, tx: Transaction, signer: LoadedSigner, *, now: datetime) -> int:
        if signer.signer_id is None:
            return actions_store.next_paper_nonce(tx, signer.key.address, now=now)
        return self._keyring.next_nonce(tx, signer.signer_id, now=now)

    def forget(self, account: Account) -> None:
        self._keyring.forget(account.account_id)


def objection(signer: LoadedSigner | None, now: datetime) -> Refusal | None:
    """What speaks against an entry with this signer, or None. Exits and protections do not ask: they are tried with what there is.

    A confirmation that ended is not waited out: the venue enforces an end late, and nothing is opened on its laziness.
    """
    if signer is None:
        return Refusal(Reason.NO_SIGNER, "no signer of this account is active")
    known = signer.confirmation
    if known is None:
        return None  # it has no row of custody: a paper account's
    if known.has_ended(now):
        return Refusal(
            Reason.SIGNER_EXPIRED,
            f"the approval of {signer.signer_id} ended at {known.valid_until:%Y-%m-%d %H:%M}",
        )
    if not known.is_given:
        says = known.venue_says or "the venue was not asked about it yet"
        return Refusal(Reason.SIGNER_UNCONFIRMED, f"{signer.signer_id}: {says}")
    return None


def attributed(outcome: Outcome, action: Action, account: Account) -> Outcome:
    """A refusal of the signer, told from one of our own making: the venue names the address that it recovered from what was sent.

    Where that is neither the signer that signed nor the account, the bytes were not what we meant to sign, and no approval would help:
    a fault of ours. (Hyperliquid docs, nonces-and-api-wallets; the address is that of whoever signed other bytes.)
    """
    if not isinstance(outcome, Refused) or outcome.kind is not RefusalKind.SIGNER:
        return outcome
    if outcome.named_address in {None, action.signer_address, account.address}:
        return outcome
    return Refused(RefusalKind.BUG, Reason.VENUE_REFUSED, outcome.text)
