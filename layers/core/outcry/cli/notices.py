"""`outcry notices`: what people were told, or should have been, as it was written: what one reads after the mail of a page.

Promises: newest first; each with its topic, the trace id that its log lines carry, and the section of the runbook that helps.
"""

from datetime import datetime
from typing import Annotated, Any

import typer

from outcry.cli import render, store
from outcry.cli.edge import AsJson, reading
from outcry.notices.model import Level
from outcry.runtime.database import Row

RUNBOOK = "infra/runbook.md"


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("notices")(notices)


def notices(
    untold: Annotated[bool, typer.Option("--untold", help="Only those that nobody was told yet.")] = False,
    level: Annotated[Level | None, typer.Option(help="Of this level alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 10,
    as_json: AsJson = False,
) -> None:
    """What people were told, newest first, and which section of the runbook helps."""
    with reading() as (tx, now):
        found = store.notices(tx, untold=untold, level=None if level is None else level.value, limit=limit)
    if as_json:
        render.print_json({"at": now, "notices": [_document(row) for row in found]})
        return
    if not found:
        render.say("No such notice." if untold or level else "Nobody was ever told anything.")
    for row in found:
        _show(row, now)


def section(topic: str) -> str:
    """Where the runbook says what to do about a topic."""
    return f"{RUNBOOK}#{topic}"


def _document(row: Row) -> dict[str, Any]:
    return {**row, "runbook": section(row["topic"])}


def _show(row: Row, now: datetime) -> None:
    told = "" if row["told_at"] else ", NOT TOLD YET"
    trace = f", trace {row['trace_id']}" if row["trace_id"] else ""
    render.say(
        f"{row['level'].upper()} {row['topic']}: {row['subject']}",
        f"    {render.moment(row['created_at'])} UTC, {render.age(row['created_at'], now)} ago{told}{trace}",
        *(f"    {line}" for line in row["text"].splitlines()),
        f"    See {section(row['topic'])}",
    )
