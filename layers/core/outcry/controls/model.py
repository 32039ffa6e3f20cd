"""Controls, locks and their scopes, and which of them forbids an entry.

Pure. A control stands until a person lifts it; a lock ends by itself. Neither ever stands in the way of an
exit that protects: they are asked about entries, and about exits only where a halt allows nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from outcry.runtime.errors import OutcryError
from outcry.runtime.reasons import Reason


class ControlMode(StrEnum):
    """What a control does: no entries; close everything; nothing but protective exits."""

    PAUSE = "pause"
    FLATTEN = "flatten"
    HALT = "halt"


class ScopeKind(StrEnum):
    """What a control can govern. Locks govern authors and markets too, which nobody switches by hand."""

    DESK = "desk"
    ACCOUNT = "account"
    DEPLOYMENT = "deployment"
    AGENT = "agent"


DESK = ScopeKind.DESK.value
# the id of a control that is no row: the pause of a restored database which nobody has looked at yet
UNSEEN = 0


class UnknownScope(OutcryError):
    """The scope names nothing that exists here. The message says what does."""


@dataclass(frozen=True, slots=True)
class Control:
    """A person's standing order: `scope` is `desk`, or `account:…`, `deployment:…`, `agent:…` with an id."""

    control_id: int
    scope: str
    mode: ControlMode
    reason: str
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class Lock:
    """A protection's verdict about a scope, until `locked_until`."""

    scope: str
    protection: str
    reason: str
    locked_until: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Why an entry is forbidden, and by whom or what."""

    reason: Reason
    detail: str


_FORBIDS = {
    ControlMode.HALT: Reason.HALTED,
    ControlMode.FLATTEN: Reason.FLATTENING,
    ControlMode.PAUSE: Reason.PAUSED,
}


def parse_scope(scope: str) -> tuple[ScopeKind, str]:
    """The kind and the id of a scope; the desk has no id. Raises UnknownScope with what can be written."""
    kind, _, name = scope.partition(":")
    if scope == DESK:
        return ScopeKind.DESK, ""
    if kind == DESK or kind not in set(ScopeKind) or not name:
        raise UnknownScope(f"{scope!r} is no scope: write desk, account:ID, deployment:ID or agent:ID")
    return ScopeKind(kind), name


def place_scopes(account_id: str, deployment_id: str | None, agent_id: str | None) -> frozenset[str]:
    """Every scope in which a place to trade lies. None: no deployment, as for a discovered position."""
    scopes = {DESK, f"account:{account_id}"}
    if deployment_id is not None:
        scopes.add(f"deployment:{deployment_id}")
    if agent_id is not None:
        scopes.add(f"agent:{agent_id}")
    return frozenset(scopes)


def entry_scopes(
    account_id: str, deployment_id: str, agent_id: str, author_id: int | None, market: str
) -> frozenset[str]:
    """Every scope in which an entry lies, author and market included."""
    by_author = frozenset() if author_id is None else frozenset({f"author:{author_id}"})
    return place_scopes(account_id, deployment_id, agent_id) | by_author | {f"market:{market}"}


def standing(
    controls: Iterable[Control],
    locks: Iterable[Lock],
    *,
    account_id: str,
    deployment_id: str,
    agent_id: str,
    author_id: int | None,
    market: str,
    now: datetime,
) -> Standing | None:
    """What forbids this entry: a halt before a flatten before a pause before a lock, the oldest first."""
    scopes = entry_scopes(account_id, deployment_id, agent_id, author_id, market)
    governing = [control for control in controls if control.scope in scopes]
    for mode, reason in _FORBIDS.items():
        found = min((each for each in governing if each.mode is mode), key=_age, default=None)
        if found is not None:
            since = f"{found.set_at:%Y-%m-%d %H:%M} UTC"
            return Standing(reason, f"{found.scope}: {found.reason} ({found.set_by}, {since})")
    held = [lock for lock in locks if lock.scope in scopes and lock.locked_until > now]
    if held:
        lock = max(held, key=lambda each: (each.locked_until, each.scope))
        until = f"{lock.locked_until:%Y-%m-%d %H:%M} UTC"
        return Standing(Reason.LOCKED, f"{lock.scope}: {lock.reason} ({lock.protection}, until {until})")
    return None


def mode_of(
    controls: Iterable[Control], *, account_id: str, deployment_id: str | None, agent_id: str | None
) -> ControlMode | None:
    """The strictest control over a place to trade: halt, flatten, pause or none."""
    scopes = place_scopes(account_id, deployment_id, agent_id)
    modes = {control.mode for control in controls if control.scope in scopes}
    return next((mode for mode in _FORBIDS if mode in modes), None)


def _age(control: Control) -> tuple[datetime, int]:
    return control.set_at, control.control_id
