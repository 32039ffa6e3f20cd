"""`outcry pause`, `resume`, `flatten`, `halt`: what a person orders, and what follows from it.

Promises: a command says what it set, or that it stood already, and what happens next and when. Closes nothing itself: the
stages read what stands. Flatten and halt ask back first.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer

from outcry.cli import render, store
from outcry.cli.edge import AsJson, By, Yes, ask_first, changing, person, reading
from outcry.controls import gate, operate
from outcry.controls.model import DESK, ControlMode, parse_scope
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.runtime.database import Transaction
from outcry.runtime.errors import ConfigurationError

Scope = Annotated[str, typer.Argument(help="desk, account:ID, deployment:ID or agent:ID")]
Why = Annotated[str, typer.Option("--reason", help="Why, for those who find it standing.")]

_SET: dict[ControlMode, Callable[[Transaction, str, str, str, datetime], bool]] = {
    ControlMode.PAUSE: operate.pause,
    ControlMode.FLATTEN: operate.flatten,
    ControlMode.HALT: operate.halt,
}
_DONE = {
    ControlMode.PAUSE: "is paused: no new entries",
    ControlMode.FLATTEN: "is being flattened: no new entries, everything is closed",
    ControlMode.HALT: "is halted: nothing but protective exits",
}
_NEXT = {
    ControlMode.PAUSE: "Positions that are open stay, with their stops and their exits, until `outcry resume {scope}`.",
    ControlMode.FLATTEN: (
        "The next sweep, at most a minute away, closes {positions} and cancels entries that were not sent ({entries} under way);"
        " later sweeps close what was in flight. Watch `outcry positions`; entries stay forbidden until `outcry resume {scope}`."
    ),
    ControlMode.HALT: (
        "What is open ({positions}) stays, with the stops that rest at the venue, until `outcry resume {scope}`;"
        " to close them, use `outcry flatten {scope}`."
    ),
}


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (pause, resume, flatten, halt):
        app.command()(command)


def pause(reason: Why, scope: Scope = DESK, by: By = "", as_json: AsJson = False) -> None:
    """Let no new entries in; what is open stays and is watched."""
    _set(ControlMode.PAUSE, scope, reason, by, as_json)


def flatten(reason: Why, scope: Scope = DESK, by: By = "", yes: Yes = False, as_json: AsJson = False) -> None:
    """Cancel entries and close every position."""
    _ask(scope, "Close {positions} and cancel {entries} of {scope}?", yes)
    _set(ControlMode.FLATTEN, scope, reason, by, as_json)


def halt(reason: Why, scope: Scope = DESK, by: By = "", yes: Yes = False, as_json: AsJson = False) -> None:
    """Allow nothing but protective exits; stops at the venue stay."""
    _ask(scope, "Halt {scope}, with {positions} left open on their stops?", yes)
    _set(ControlMode.HALT, scope, reason, by, as_json)


def resume(
    scope: Scope = DESK,
    reason: Annotated[str, typer.Option("--reason", help="Why; told to people with the notice.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Lift pause, flatten and halt of exactly this scope."""
    with changing() as (tx, now):
        who = person(by)
        lifted = operate.resume(tx, scope, who, now)
        if lifted and reason.strip():
            tell(
                tx,
                level=Level.INFO,
                topic="controls",
                subject=f"Why {scope} was resumed",
                text=f"{who}: {reason.strip()}",
                dedupe_key=f"resumed:{scope}:{now.isoformat()}",
                now=now,
            )
        left = [
            control
            for control in gate.standing_controls(tx)
            if scope in (DESK, control.scope) or control.scope == DESK
        ]
    modes = ", ".join(mode.value for mode in lifted)
    says = f"{scope}: {modes} lifted." if lifted else f"{scope}: nothing was standing, nothing was changed."
    still = "; ".join(f"{control.mode.value} of {control.scope} ({control.reason})" for control in left)
    follows = f"Still standing: {still}." if left else "The next calls that are heard may become entries."
    _answer(
        as_json,
        {"scope": scope, "lifted": lifted, "changed": bool(lifted), "by": who, "at": now},
        says,
        follows,
    )


def _ask(scope: str, question: str, yes: bool) -> None:
    if yes:
        return
    with reading() as (tx, _):
        parse_scope(scope)
        touched = _touched(tx, scope)
    ask_first(question.format(scope=scope, **touched), yes=yes)


def _set(mode: ControlMode, scope: str, reason: str, by: str, as_json: bool) -> None:
    with changing() as (tx, now):
        if not reason.strip():
            raise ConfigurationError("--reason", reason, "say why: others will find it standing")
        who = person(by)
        is_new = _SET[mode](tx, scope, reason, who, now)
        touched = _touched(tx, scope)
        first = next(c for c in gate.standing_controls(tx) if c.scope == scope and c.mode is mode)
    says = f"{scope} {_DONE[mode]}."
    if not is_new:
        says = f"{says} It was already, since {render.moment(first.set_at)} UTC by {first.set_by}: {first.reason}."
    document = {
        "scope": scope,
        "mode": mode,
        "changed": is_new,
        "by": first.set_by,
        "at": first.set_at,
        "reason": first.reason,
    }
    follows = _NEXT[mode].format(scope=scope, **touched)
    _answer(as_json, document, says, follows[0].upper() + follows[1:])


def _touched(tx: Transaction, scope: str) -> dict[str, str]:
    """What a scope covers, in words."""
    row = store.covered(tx, scope)
    return {
        "positions": render.count(row["positions"], "position"),
        "entries": render.count(row["entries"], "entry"),
    }


def _answer(as_json: bool, document: dict[str, object], says: str, follows: str) -> None:
    if as_json:
        render.print_json({**document, "says": says, "next": follows})
    else:
        render.say(says, follows)
