"""What other rooms ask: may an entry go ahead, what is being flattened, how strictly is a place controlled.

Promises: a control that was committed before the question is always in the answer; one that is being
committed in the same moment waits for the asking transaction, or the question waits for it. Never changes
anything.
"""

from datetime import datetime

from outcry.controls import store
from outcry.controls.model import UNSEEN, Control, ControlMode, Standing, entry_scopes, standing
from outcry.runtime.database import Transaction


def standing_entry(
    tx: Transaction,
    *,
    account_id: str,
    deployment_id: str,
    agent_id: str,
    author_id: int | None,
    market: str,
    now: datetime,
    despite_pause: bool = False,
) -> Standing | None:
    """What forbids this entry, or None. Ask in the transaction that approves it or commits it to be sent.

    `despite_pause`: a pause does not forbid it, unless it is that of a restored database which no person has resumed yet.
    """
    scopes = entry_scopes(account_id, deployment_id, agent_id, author_id, market)
    controls, locks = store.entry_controls(tx, scopes, now=now)
    if despite_pause:
        controls = [
            each for each in controls if each.mode is not ControlMode.PAUSE or each.control_id == UNSEEN
        ]
    return standing(
        controls,
        locks,
        account_id=account_id,
        deployment_id=deployment_id,
        agent_id=agent_id,
        author_id=author_id,
        market=market,
        now=now,
    )


def standing_controls(tx: Transaction) -> list[Control]:
    """Every control that stands, oldest first: for status, and with `model.mode_of` for many positions."""
    return store.standing_controls(tx)


def flatten_scopes(tx: Transaction) -> list[str]:
    """The scopes that are being flattened: their entries are cancelled and their positions closed."""
    return store.flatten_scopes(tx)
