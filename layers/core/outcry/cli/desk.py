"""`outcry desk check`, `apply` and `export`: the desk file, read with all its faults, put into effect, and written back.

Promises: a file with one fault changes nothing; an account of another network than this installation's is a fault; what an
application changed is listed part by part, and a second one says that it changed nothing. What is exported changes nothing when
it is applied where it came from.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from outcry.agents import roster
from outcry.agents.desk import Desk, DeskError, parse_desk
from outcry.agents.desk_problem import DeskProblem
from outcry.agents.desk_text import write_text
from outcry.agents.desk_write import desk_content
from outcry.cli import render, store
from outcry.cli.edge import AsJson, changing, network, reading, sentences
from outcry.controls import gate
from outcry.runtime.database import Row
from outcry.runtime.errors import ConfigurationError

app = typer.Typer(
    name="desk", help="The desk file: authors, agents, accounts, deployments.", no_args_is_help=True
)

File = Annotated[Path, typer.Argument(help="A desk file in YAML.")]


@app.command()
def check(file: File, as_json: AsJson = False) -> None:
    """Say everything that is wrong with a desk file; needs no database."""
    with sentences():
        desk = _read(file)
    says = f"{file} is good: {_contents(desk)}."
    follows = f"Nothing was changed; `outcry desk apply {file}` puts it into effect."
    if as_json:
        render.print_json({"file": str(file), **_counts(desk), "says": says, "next": follows})
    else:
        render.say(says, follows)


@app.command("apply")
def apply_file(file: File, as_json: AsJson = False) -> None:
    """Make the desk what the file says; what left the file is switched off."""
    with changing() as (tx, now):
        desk = _read(file)
        _check_network(desk, network())
        before = store.desk_rows(tx)
        roster.apply_desk(tx, desk, now)
        changes = _changes(before, store.desk_rows(tx))
        standing = gate.standing_controls(tx)
    says = f"{file} is in effect: {_contents(desk)}; {render.count(len(changes), 'change')}."
    follows = (
        "The next posts are judged by it. Positions that are open keep the exits that they were entered with."
    )
    if standing:
        follows += f" Standing: {', '.join(f'{c.mode.value} of {c.scope}' for c in standing)}; `outcry resume` lifts it."
    if as_json:
        render.print_json(
            {"file": str(file), **_counts(desk), "changes": changes, "says": says, "next": follows}
        )
        return
    render.say(says)
    if changes:
        rows = [(change["kind"], change["id"], change["change"]) for change in changes]
        render.table("Changes", ("part", "name", "change"), rows)
    render.say(follows)


@app.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to write it; to stdout without.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the desk that is in force as a desk file."""
    with reading() as (tx, now):
        desk = roster.desk_in_force(tx, "the desk in force")
        if not (desk.authors and desk.agents and desk.accounts and desk.deployments):
            raise ConfigurationError("desk", None, "there is none in force: apply a desk file first")
        content = desk_content(desk)
        text = f"# The desk in force on {network()} at {now:%Y-%m-%d %H:%M} UTC.\n{write_text(content)}"
        if file is not None:
            _write(file, text)
    if as_json:
        render.print_json({"file": None if file is None else str(file), **_counts(desk), "desk": content})
    elif file is None:
        render.say(text.removesuffix("\n"))
    else:
        render.say(f"{file} has the desk that is in force: {_contents(desk)}.")


def _write(file: Path, text: str) -> None:
    """Write a new file; one that is there may be a person's only copy of what they meant."""
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError:
        raise ConfigurationError("FILE", str(file), "it exists already: name another, or remove it") from None
    except OSError as error:
        raise ConfigurationError("FILE", str(file), f"it cannot be written: {error.strerror}") from error


def _read(file: Path) -> Desk:
    """The desk of a file. Raises DeskError, or ConfigurationError where there is no text to read."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError("FILE", str(file), f"name a desk file: {why}") from error
    return parse_desk(text, str(file))


def _check_network(desk: Desk, here: str) -> None:
    """Raise DeskError where an account belongs to another installation: its orders would never be carried out here."""
    problems = [
        DeskProblem(
            desk.source,
            None,
            f"accounts[{place}].network",
            account.network,
            f"this installation trades on {here}: apply it where {account.network} is, or change it",
        )
        for place, account in enumerate(desk.accounts)
        if account.network not in {here, "paper"}
    ]
    if problems:
        raise DeskError(problems)


def _changes(before: Sequence[Row], after: Sequence[Row]) -> list[dict[str, Any]]:
    """What differs, part by part: new, removed, another state, other content."""
    was = {(row["kind"], row["id"]): row for row in before}
    now = {(row["kind"], row["id"]): row for row in after}
    return [
        {"kind": kind, "id": name, "change": change}
        for kind, name in sorted(was.keys() | now.keys())
        if (change := _change(was.get((kind, name)), now.get((kind, name)))) is not None
    ]


def _change(was: Row | None, now: Row | None) -> str | None:
    if now is None:
        return "removed"
    if was is None:
        return f"new, {now['state']}"
    if was["state"] != now["state"]:
        return f"{was['state']} → {now['state']}"
    return "changed" if was["content"] != now["content"] else None


def _counts(desk: Desk) -> dict[str, int]:
    return {
        "authors": len(desk.authors),
        "agents": len(desk.agents),
        "accounts": len(desk.accounts),
        "deployments": len(desk.deployments),
    }


def _contents(desk: Desk) -> str:
    """What the desk consists of, in words."""
    return ", ".join(render.count(number, name[:-1]) for name, number in _counts(desk).items())
