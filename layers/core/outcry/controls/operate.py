"""What a person does: pause, resume, flatten, halt. One change in the caller's transaction, with a notice.

Promises: doing it twice is doing it once; a scope that names nothing is refused with what it could name; once
the caller's transaction is committed, no entry that was approved without seeing the control can commit.
Never closes or cancels anything itself: the stages read what stands here and act.

Raises UnknownScope for a scope that does not exist, ValueError for an empty reason or name, and
InfrastructureError where approvals in flight outlast the lock timeout: then nothing was changed, do it again.
"""

from datetime import datetime

from outcry.controls import store
from outcry.controls.model import DESK, ControlMode, ScopeKind, UnknownScope, parse_scope
from outcry.controls.restored import recognise
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.runtime.database import Transaction

FIRST_START = "new database: look at it, then resume"
_SET_BY_ITSELF = "outcry"
_TOPIC = "controls"

_SAYS = {
    ControlMode.PAUSE: ("No new entries", Level.WARNING),
    ControlMode.FLATTEN: ("Everything is being closed", Level.PAGE),
    ControlMode.HALT: ("Nothing but protective exits", Level.PAGE),
}


def pause(tx: Transaction, scope: str, reason: str, by: str, now: datetime) -> bool:
    """No entries in the scope. True: set now; False: it was paused already, and keeps its first reason."""
    return _set(tx, ControlMode.PAUSE, scope, reason, by, now)


def flatten(tx: Transaction, scope: str, reason: str, by: str, now: datetime) -> bool:
    """Cancel the scope's entries and close its positions, and let no entry in. True: set now."""
    return _set(tx, ControlMode.FLATTEN, scope, reason, by, now)


def halt(tx: Transaction, scope: str, reason: str, by: str, now: datetime) -> bool:
    """Nothing but protective exits in the scope; stops that rest at the venue stay. True: set now."""
    return _set(tx, ControlMode.HALT, scope, reason, by, now)


def resume(tx: Transaction, scope: str, by: str, now: datetime) -> tuple[ControlMode, ...]:
    """Lift pause, flatten and halt of exactly this scope; wider and narrower ones stay. Returns which.

    A restored database that nobody recognised yet is recognised first: resuming the desk is the look that it waits for.
    """
    _check(tx, scope, by)
    recognise(tx, address=None, now=now)
    store.hold_alone(tx)
    if scope == DESK:
        store.await_resume(tx, since=None)
    lifted = store.lift(tx, scope=scope, lifted_by=by, now=now)
    if lifted:
        modes = ", ".join(control.mode.value for control in lifted)
        tell(
            tx,
            level=Level.WARNING,
            topic=_TOPIC,
            subject=f"Resumed: {scope}",
            text=f"{by} lifted {modes} of {scope}.",
            dedupe_key=f"control:{lifted[-1].control_id}:lifted",
            now=now,
        )
    return tuple(control.mode for control in lifted)


def ensure_started_paused(tx: Transaction, now: datetime, *, address: str | None = None) -> bool:
    """Pause the desk where no control was ever set, or where the database was restored. True: paused now.

    `address`: where this process reaches the database, as `restored.recognise` takes it.
    """
    store.hold_alone(tx)
    if recognise(tx, address=address, now=now):
        return True
    return store.is_untouched(tx) and _set(tx, ControlMode.PAUSE, DESK, FIRST_START, _SET_BY_ITSELF, now)


def _set(tx: Transaction, mode: ControlMode, scope: str, reason: str, by: str, now: datetime) -> bool:
    if not reason.strip():
        raise ValueError("say why: a control needs a reason")
    _check(tx, scope, by)
    store.hold_alone(tx)
    control_id = store.insert(tx, scope=scope, mode=mode, reason=reason.strip(), set_by=by, now=now)
    if control_id is None:
        return False
    says, level = _SAYS[mode]
    tell(
        tx,
        level=level,
        topic=_TOPIC,
        subject=f"{says}: {scope}",
        text=f"{by} set {mode.value} on {scope}: {reason.strip()}",
        dedupe_key=f"control:{control_id}:set",
        now=now,
    )
    return True


def _check(tx: Transaction, scope: str, by: str) -> None:
    if not by.strip():
        raise ValueError("say who: a control needs a name")
    kind, name = parse_scope(scope)
    known = store.names(tx, kind)
    if kind is not ScopeKind.DESK and name not in known:
        there_are = ", ".join(known) or "none yet"
        raise UnknownScope(f"there is no {kind.value} {name!r}; known: {there_are}")
