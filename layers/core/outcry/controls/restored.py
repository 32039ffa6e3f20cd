"""Whether this database is the one that its rows were written in and serves this network, and what happens where not.

Promises: a restored database takes no entry until a person has resumed: approvals compare the identity by themselves, in the
statement that reads the controls, so that nothing can slip through before anybody was told; `recognise` then sets the pause,
pages a person and notes the new identity, once. Until somebody resumes the desk it takes no entry, that of a canary neither,
whatever pauses stood before. A database that was never noted is noted and nothing else.

A database serves one network: `require_network` raises where it serves another, before anything is done with it.

What is compared is the cluster, the timeline, the database, and the address at which the functions reach it. A storage
snapshot that comes back under the old address changes none of them: then a person sets the pause (docs/operate.md).
"""

from datetime import datetime

from outcry.controls import store
from outcry.controls.model import DESK, ControlMode
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.runtime.database import Transaction
from outcry.runtime.errors import ConfigurationError

REASON = "restored: reconcile with the venue, then resume"
_SET_BY_ITSELF = "outcry"


def require_network(tx: Transaction, network: str) -> None:
    """Raise ConfigurationError where this database serves another network than this process was configured for (F-56).

    It may be asked before anything was migrated: a schema that cannot say it yet serves none.
    """
    serves = store.noted_network(tx)
    if serves not in {None, network}:
        raise ConfigurationError(
            "OUTCRY_NETWORK",
            network,
            f"this database serves {serves}: give the installation a database of its own",
        )


def claim_network(tx: Transaction, network: str) -> None:
    """Let this database serve this network from now on, and no other. Raises as `require_network` does."""
    require_network(tx, network)
    store.note_network(tx, network)


def recognise(tx: Transaction, *, address: str | None, now: datetime) -> bool:
    """Pause the desk and page where this is not the database that ran before. True: it was recognised as restored now.

    `address`: where this process reaches the database; None where that says nothing, as through a tunnel or a socket.
    """
    if store.is_noted(tx, address=address):
        return False
    store.hold_alone(tx)
    before = store.noted_identity(tx)
    is_another = before is not None and store.is_another(tx, address=address)
    store.note_identity(tx, address=address, now=now)
    if before is None or not is_another:
        return False
    store.await_resume(tx, since=now)
    store.insert(tx, scope=DESK, mode=ControlMode.PAUSE, reason=REASON, set_by=_SET_BY_ITSELF, now=now)
    tell(
        tx,
        level=Level.PAGE,
        topic="controls",
        subject="The database was restored: no new entries",
        text=(
            f"The database is not the one that ran until {before['noted_at']:%Y-%m-%d %H:%M} UTC or later. What happened"
            " after it was saved is not in it: compare `outcry positions` with the venue, close by hand what Outcry does not"
            " know, then `outcry resume`."
        ),
        dedupe_key=f"restored:{now.isoformat()}",
        now=now,
    )
    return True
