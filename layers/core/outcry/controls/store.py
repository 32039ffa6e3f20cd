"""The tables of controls and locks. Private to this room: others ask `gate`, people act through `operate`.

Whoever reads controls in order to act on their absence calls `hold_still` first, whoever changes them
`hold_alone`. That makes "paused" mean something: once a pause is committed, no transaction that read before
can still commit an entry. Row locks could not do that, since a pause is a row that did not exist yet.
"""

from collections.abc import Iterable
from datetime import datetime

from outcry.controls.model import UNSEEN, Control, ControlMode, Lock, ScopeKind
from outcry.runtime.database import Row, Transaction

_LOCK = 0x0C7C_1A12  # the advisory lock's key: any constant that nothing else in the database uses

# A database that is not the one its rows were written in counts as paused, before anybody has noticed it.
_RESTORED = f"""
        select {UNSEEN} as control_id, 'desk' as scope, 'pause' as mode, :restored as reason, 'outcry' as who, noted_at as at
          from database_identity where identity <> identity_of_this_database()
"""
# To an entry it also does once it was noticed, until a person has resumed.
_NOT_LOOKED_AT = f"{_RESTORED} or awaits_resume_since is not null"
RESTORED = "the database was restored, and nobody has looked at it yet"

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
        f"""
        select control_id, scope, mode, reason, set_by as who, set_at as at from controls
         where lifted_at is null and scope = any(cast(:scopes as text[]))
         union all {_NOT_LOOKED_AT} union all
        select null, scope, null, reason, protection, locked_until from locks
         where lifted_at is null and locked_until > :now and scope = any(cast(:scopes as text[]))
        """,
        scopes=sorted(scopes),
        now=now,
        restored=RESTORED,
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
            f"""
            select control_id, scope, mode, reason, set_by as who, set_at as at from controls
             where lifted_at is null union all {_RESTORED} order by control_id
            """,
            restored=RESTORED,
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


def noted_identity(tx: Transaction) -> Row | None:
    """Which database the rows were written in, as far as anybody noted; None where nobody did yet."""
    return tx.one("select identity, address, noted_at from database_identity")


def noted_network(tx: Transaction) -> str | None:
    """Which network this database serves; None where nobody said so yet. Whatever its schema is, none at all included."""
    exists = tx.one(
        """
        select count(*) = 1 as found from pg_attribute
         where attrelid = to_regclass('database_identity') and attname = 'network' and not attisdropped
        """
    )
    row = tx.one("select network from database_identity") if exists and exists["found"] else None
    return row["network"] if row else None


def is_another(tx: Transaction, *, address: str | None) -> bool:
    """Whether the database that was noted is another than this one. What is not known of either does not count."""
    row = tx.one(
        """
        select identity <> identity_of_this_database() or coalesce(address <> cast(:address as text), false) as found
          from database_identity
        """,
        address=address,
    )
    return bool(row and row["found"])


def is_noted(tx: Transaction, *, address: str | None) -> bool:
    """Whether exactly this database is noted, so that nothing is to be done."""
    row = tx.one(
        """
        select identity = identity_of_this_database()
               and (cast(:address as text) is null or address is not distinct from cast(:address as text)) as found
          from database_identity
        """,
        address=address,
    )
    return bool(row and row["found"])


def note_identity(tx: Transaction, *, address: str | None, now: datetime) -> None:
    """Note which database this is, and where it is reached; an address that is not known leaves a noted one as it is."""
    tx.execute(
        """
        insert into database_identity (identity, address, noted_at)
        values (identity_of_this_database(), cast(:address as text), :now)
        on conflict (only_row) do update
           set identity = excluded.identity, noted_at = excluded.noted_at,
               address = case when database_identity.identity = excluded.identity
                              then coalesce(excluded.address, database_identity.address) else excluded.address end
        """,
        address=address,
        now=now,
    )


def await_resume(tx: Transaction, *, since: datetime | None) -> None:
    """A restored database waits for a person since then; None: it waits no more."""
    tx.execute("update database_identity set awaits_resume_since = cast(:since as timestamptz)", since=since)


def note_network(tx: Transaction, network: str) -> None:
    """Note which network a database serves whose identity is noted; once."""
    tx.execute("update database_identity set network = :network where network is null", network=network)


def is_untouched(tx: Transaction) -> bool:
    """Whether no control was ever set in this database: rows are lifted, never deleted."""
    return not tx.all("select 1 as found from controls limit 1")


def names(tx: Transaction, kind: ScopeKind) -> list[str]:
    """The ids that a scope of this kind can have. The desk has none."""
    return [row["name"] for row in tx.all(_NAMES[kind])] if kind in _NAMES else []
