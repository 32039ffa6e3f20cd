"""The tables of controls and locks. Private to this room: others ask `gate`, people act through `operate`.

Whoever reads controls in order to act on their absence calls `hold_still` first, whoever changes them
`hold_alone`. That makes "paused" mean something: once a pause is committed, no transaction that read before
can still commit an entry. Row locks could not do that, since a pause is a row that did not exist yet.
"""

from collections.abc import Iterable
from datetime import datetime

from outcry.controls.model import Control, ControlMode, Lock, ScopeKind
from outcry.runtime.database import Row, Transaction

_LOCK = 0x0C7C_1A12  # the advisory lock's key: any constant that nothing else in the database uses

_NAMES = {
    ScopeKind.ACCOUNT: "select account_id as name from accounts order by account_id",
    ScopeKind.DEPLOYMENT: "select deployment_id as name from deployments order by deployment_id",
    ScopeKind.AGENT: "select agent_id as name from agents order by agent_id",
}


def hold_still(tx: Transaction) -> None:
    """Until this transaction ends, nobody changes a control; many may hold this at a time.

    A statement of its own: what is read after it sees everything that was committed before it returned.
    """
    tx.all("select pg_advisory_xact_lock_shared(:key) as held", key=_LOCK)


def hold_alone(tx: Transaction) -> None:
    """Until this transaction ends, nobody else reads controls to act on them, and nobody changes them."""
    tx.all("select pg_advisory_xact_lock(:key) as held", key=_LOCK)


def entry_controls(
    tx: Transaction, scopes: Iterable[str], *, now: datetime
) -> tuple[list[Control], list[Lock]]:
    """The standing controls and the running locks of these scopes, in one statement."""
    hold_still(tx)
    rows = tx.all(
        """
        select control_id, scope, mode, reason, set_by as who, set_at as at from controls
         where lifted_at is null and scope = any(cast(:scopes as text[]))
         union all
        select null, scope, null, reason, protection, locked_until from locks
         where lifted_at is null and locked_until > :now and scope = any(cast(:scopes as text[]))
        """,
        scopes=sorted(scopes),
        now=now,
    )
    controls = [_control(row) for row in rows if row["mode"] is not None]
    return controls, [
        Lock(row["scope"], row["who"], row["reason"], row["at"]) for row in rows if row["mode"] is None
    ]


def standing_controls(tx: Transaction) -> list[Control]:
    """Every control that stands, oldest first."""
    return [
        _control(row)
        for row in tx.all(
            """
            select control_id, scope, mode, reason, set_by as who, set_at as at from controls
             where lifted_at is null order by control_id
            """
        )
    ]


def flatten_scopes(tx: Transaction) -> list[str]:
    """The scopes that are being flattened, the oldest first."""
    return [control.scope for control in standing_controls(tx) if control.mode is ControlMode.FLATTEN]


def _control(row: Row) -> Control:
    return Control(
        row["control_id"], row["scope"], ControlMode(row["mode"]), row["reason"], row["who"], row["at"]
    )


def insert(
    tx: Transaction, *, scope: str, mode: ControlMode, reason: str, set_by: str, now: datetime
) -> int | None:
    """Set a control and return its id. None: it stands already, and stays as it is."""
    rows = tx.all(
        """
        insert into controls (scope, mode, reason, set_by, set_at)
        values (:scope, :mode, :reason, :set_by, :now)
        on conflict (scope, mode) where lifted_at is null do nothing
        returning control_id
        """,
        scope=scope,
        mode=mode.value,
        reason=reason,
        set_by=set_by,
        now=now,
    )
    return int(rows[0]["control_id"]) if rows else None


def lift(tx: Transaction, *, scope: str, lifted_by: str, now: datetime) -> list[Control]:
    """Lift every control that stands over exactly this scope, and return them, oldest first."""
    rows = tx.all(
        """
        update controls set lifted_at = :now, lifted_by = :lifted_by
         where scope = :scope and lifted_at is null
        returning control_id, scope, mode, reason, set_by as who, set_at as at
        """,
        scope=scope,
        lifted_by=lifted_by,
        now=now,
    )
    return sorted((_control(row) for row in rows), key=lambda control: control.control_id)


def is_untouched(tx: Transaction) -> bool:
    """Whether no control was ever set in this database: rows are lifted, never deleted."""
    return not tx.all("select 1 as found from controls limit 1")


def names(tx: Transaction, kind: ScopeKind) -> list[str]:
    """The ids that a scope of this kind can have. The desk has none."""
    return [row["name"] for row in tx.all(_NAMES[kind])] if kind in _NAMES else []
