"""`outcry redrive`: let rows that were set aside be worked on again, after a look.

Promises: clears the quarantine and makes the rows due; the next sweep, at most a minute away, rings them. A row is continued
from the state it is in, so redriving one twice does nothing twice. Never touches a row that was not set aside.
"""

from typing import Annotated
from uuid import UUID

import typer

from outcry.cli import render
from outcry.cli.edge import AsJson, changing
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.leases import CALLS, NOTICES, ORDERS, POSTS, Claimable
from outcry.runtime.leases import redrive as clear

TABLES = {what.table: what for what in (POSTS, CALLS, ORDERS, NOTICES)}


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(redrive)


def redrive(
    table: Annotated[str, typer.Argument(help="posts, calls, orders or notices")],
    ids: Annotated[list[str], typer.Argument(help="The rows, as `outcry status` names them.")],
    as_json: AsJson = False,
) -> None:
    """Let rows that were set aside be worked on again."""
    with changing() as (tx, now):
        what = TABLES.get(table)
        if what is None:
            raise ConfigurationError("table", table, f"use one of: {', '.join(TABLES)}")
        cleared = clear(tx, what, [_key(what, one) for one in ids], now=now)
    said = f"{cleared} of {len(ids)} rows of {table} will be rung by the next sweep, at most a minute away."
    if as_json:
        render.print_json({"table": table, "asked": len(ids), "redriven": cleared, "says": said})
    else:
        render.say(said)


def _key(what: Claimable, written: str) -> int | str:
    try:
        return str(UUID(written)) if what.key_type == "uuid" else int(written)
    except ValueError:
        form = "a UUID" if what.key_type == "uuid" else "a number"
        raise ConfigurationError("id", written, f"the id of a row of {what.table} is {form}") from None
