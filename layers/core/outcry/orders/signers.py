"""An account's signer as the ledger uses it: opened by custody for a live account, keyless for a paper one."""

from datetime import datetime

from outcry.agents.model import Account
from outcry.custody.keyring import Keyring
from outcry.orders import actions_store
from outcry.orders.ports import LoadedSigner
from outcry.runtime.database import Transaction
from outcry.venues.paper.wire import PaperSigner

PAPER = "paper"


class AccountSigners:
    """The `orders.ports.Signers` of a process that may open keys."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def active(self, account: Account) -> LoadedSigner | None:
        if account.venue == PAPER:
            return LoadedSigner(None, PaperSigner(account.address))
        opened = self._keyring.active(account.account_id)
        return None if opened is None else LoadedSigner(opened.signer_id, opened.key)

    def next_nonce(self, tx: Transaction, signer: LoadedSigner, *, now: datetime) -> int:
        if signer.signer_id is None:
            return actions_store.next_paper_nonce(tx, signer.key.address, now=now)
        return self._keyring.next_nonce(tx, signer.signer_id, now=now)

    def forget(self, account: Account) -> None:
        self._keyring.forget(account.account_id)
