"""`outcry doctor`: asks everything that Outcry depends on, and says what is wrong and how to mend it.

Promises: exit code 0 where nothing is bad, 1 where something is, 2 where it is not even configured; nothing is changed.
"""

import os
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from outcry import wiring
from outcry.cli import render, stack
from outcry.cli.doctor.finding import Check, Installation, Verdict
from outcry.cli.doctor.run import CHECKS, Found, examine
from outcry.cli.edge import NOT_WORKING, AsJson, network, sentences
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.version import build_id

_STYLES = {
    Verdict.OK: render.GOOD,
    Verdict.BAD: render.BAD,
    Verdict.WARN: "yellow",
    Verdict.SKIPPED: render.DIM,
}


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("doctor")(doctor)


def doctor(
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Look at this alone, as the first column names it; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Everything that Outcry depends on: what is wrong, and how to mend it."""
    with sentences():
        checks = _chosen(only or [])
        here = _installation()
        found = list(examine(here, checks))
    counts = {verdict: sum(each.finding.verdict is verdict for each in found) for verdict in Verdict}
    if as_json:
        render.print_json(_document(here, found, counts))
    else:
        _show(here, found, counts)
    if counts[Verdict.BAD]:
        raise typer.Exit(NOT_WORKING)


def _chosen(only: Sequence[str]) -> Sequence[Check]:
    """The checks of these names, or all of them. The database is always asked, for the others need what it says."""
    known = [check.name for check in CHECKS]
    for name in only:
        if name not in known and name != "database":
            raise ConfigurationError("--only", name, f"use one of: database, {', '.join(known)}")
    return [check for check in CHECKS if check.name in only] if only else CHECKS


def _installation() -> Installation:
    name = os.environ.get(stack.STACK_VARIABLE)
    return Installation(
        network=network(),
        environment=dict(os.environ),
        clock=wiring.clock(),
        functions=tuple(stack.functions_of(name)) if name else None,
    )


def _document(here: Installation, found: Sequence[Found], counts: dict[Verdict, int]) -> dict[str, Any]:
    return {
        "at": here.clock.now(),
        "network": here.network,
        "build": build_id(),
        "counts": {verdict.value: count for verdict, count in counts.items()},
        "findings": [
            {
                "check": each.check,
                "subject": each.finding.subject,
                "verdict": each.finding.verdict,
                "says": each.finding.says,
                "fix": stack.addressed(each.finding.fix) or None,
            }
            for each in found
        ],
    }


def _show(here: Installation, found: Sequence[Found], counts: dict[Verdict, int]) -> None:
    render.say(f"Network {here.network}, build {build_id()}, {render.moment(here.clock.now())} UTC")
    rows = [
        (
            each.check,
            render.styled(each.finding.verdict.value, _STYLES[each.finding.verdict]),
            each.finding.subject,
            each.finding.says,
        )
        for each in found
    ]
    render.table("Findings", ("check", "", "of", "is"), rows)
    to_mend = [each for each in found if each.finding.fix]
    for each in sorted(to_mend, key=lambda one: one.finding.verdict is not Verdict.BAD):
        finding = each.finding
        render.say(f"{finding.verdict.value.upper()} {each.check}, {finding.subject}: {finding.says}")
        render.say(f"    {finding.fix}")
    said = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    render.say(f"{said}." if to_mend else f"{said}: nothing is to be done.")
