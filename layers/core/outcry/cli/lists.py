"""`outcry positions`, `outcry orders`, `outcry signals`: what is held, what was tried, what was decided."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer
from rich.text import Text

from outcry.agents import roster
from outcry.cli import render, store
from outcry.cli.book import View, view
from outcry.cli.edge import AsJson, known_account, network, reading
from outcry.runtime.database import Row, Transaction
from outcry.runtime.errors import ConfigurationError

Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")]
Account = Annotated[str, typer.Option(help="Of this account alone.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("positions")(positions)
    app.command("orders")(orders)
    app.command("signals")(signals)


# ─── positions ──────────────────────────────────────────────────────────────────────────────────────────────


def positions(account: Account = "", as_json: AsJson = False) -> None:
    """What is held now, what it earns at this moment, and whether a stop protects it."""
    with reading() as (tx, now):
        if account:
            known_account(tx, account)
        found = [
            view(row, now=now) for row in store.held_positions(tx, network=network(), account=account or None)
        ]
    if as_json:
        render.print_json({"at": now, "positions": [each.document() for each in found]})
        return
    if not found:
        render.say("No position is held.")
        return
    columns = (
        "account",
        "market",
        "side",
        "size",
        "entry",
        "mark",
        "PnL",
        "stop",
        "protected",
        "opened",
        "status",
        "reason",
    )
    render.table(
        "Positions", columns, [_position(each, now) for each in found], right="size entry mark PnL stop"
    )
    bare = [each for each in found if _is_bare(each)]
    if bare:
        render.say(
            f"NOT PROTECTED: {render.count(len(bare), 'position')}. The monitor places a stop, or closes them."
        )
    if any(each.mark_is_stale for each in found):
        render.say(
            "A stale mark is older than 30 s: no profit is shown for it, and no exit is decided on it."
        )


def _position(each: View, now: datetime) -> Sequence[str | Text]:
    row = each.row
    return (
        row["account_id"],
        row["market"],
        row["side"],
        render.figure(each.held),
        render.figure(row["entry_price"]),
        render.styled("stale", render.BAD) if each.mark_is_stale else render.figure(each.mark),
        _pnl(each.pnl_now_usd),
        render.figure(row["stop_price"]),
        _protection(each),
        f"{render.age(row['opened_at'], now)} ago" if row["opened_at"] else render.NOTHING,
        row["status"],
        each.reason,
    )


def _pnl(pnl_usd: Decimal | None) -> Text:
    if pnl_usd is None:
        return render.styled("unknown", render.BAD)
    return render.styled(render.usd(pnl_usd), render.GOOD if pnl_usd >= 0 else render.BAD)


def _is_bare(each: View) -> bool:
    return bool(each.row["is_owned"]) and each.held > 0 and not each.is_protected


def _protection(each: View) -> Text:
    if each.is_protected:
        return render.styled("protected", render.GOOD)
    if not each.row["is_owned"]:
        return render.styled("not ours", render.DIM)
    return render.styled("NOT", render.BAD) if each.held > 0 else render.styled("nothing held", render.DIM)


# ─── orders ─────────────────────────────────────────────────────────────────────────────────────────────────


def orders(
    account: Account = "",
    deployment: Annotated[str, typer.Option(help="Of this deployment alone.")] = "",
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not finished.")] = False,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """What was tried, with its state and the reason why not."""
    with reading() as (tx, now):
        if account:
            known_account(tx, account)
        if deployment and roster.deployment(tx, deployment) is None:
            raise ConfigurationError(
                "--deployment", deployment, "there is none of that name: see the desk file"
            )
        found = store.orders(
            tx, account=account or None, deployment=deployment or None, only_open=only_open, limit=limit
        )
    if as_json:
        documents = [{**row, "reason_sentence": render.sentence(row["reason"])} for row in found]
        render.print_json({"at": now, "orders": documents})
        return
    if not found:
        render.say("No such order." if account or deployment or only_open else "No order was ever made.")
        return
    columns = (
        "created (UTC)",
        "deployment",
        "what",
        "market",
        "side",
        "size",
        "price",
        "status",
        "filled",
        "at",
        "why",
    )
    render.table("Orders", columns, [_order(row) for row in found], right="size price filled at")


def _order(row: Row) -> Sequence[str | Text]:
    is_worrying = row["status"] in {"UNKNOWN", "REJECTED"} or row["quarantined_at"] is not None
    return (
        render.moment(row["created_at"]),
        row["deployment_id"],
        f"{row['kind']} {row['leg']}" if row["leg"] not in {"entry", "exit"} else row["kind"],
        row["market"],
        row["side"],
        render.figure(row["size"]),
        render.figure(row["trigger_price"] or row["limit_price"]),
        render.styled(row["status"], render.BAD if is_worrying else ""),
        render.figure(row["filled_size"]),
        render.figure(row["average_price"]),
        " ".join(
            part
            for part in (
                "Set aside: it waits for a person." if row["quarantined_at"] else "",
                render.sentence(row["reason"]),
                row["detail"] or "",
            )
            if part
        ),
    )


# ─── signals ────────────────────────────────────────────────────────────────────────────────────────────────


def signals(
    agent: Annotated[str, typer.Option(help="Of this agent alone.")] = "",
    taken: Annotated[bool, typer.Option("--taken", help="Only those that were taken.")] = False,
    skipped: Annotated[bool, typer.Option("--skipped", help="Only those that were skipped.")] = False,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """What agents decided about the calls they heard, and why they let one go."""
    with reading() as (tx, now):
        _known_agent(tx, agent)
        status = None if taken == skipped else "TAKEN" if taken else "SKIPPED"
        found = store.signals(tx, agent=agent or None, status=status, limit=limit)
    if as_json:
        documents = [{**row, "reason_sentence": render.sentence(row["reason"])} for row in found]
        render.print_json({"at": now, "signals": documents})
        return
    if not found:
        render.say("No such signal." if agent or status else "No signal was ever decided.")
        return
    columns = ("decided (UTC)", "agent", "token", "side", "action", "score", "status", "heard", "why not")
    render.table("Signals", columns, [_signal(row) for row in found], right="score")


def _known_agent(tx: Transaction, agent: str) -> None:
    if agent and roster.agent(tx, agent) is None:
        raise ConfigurationError("--agent", agent, "there is none of that name: see the desk file")


def _signal(row: Row) -> Sequence[str | Text]:
    return (
        render.moment(row["decided_at"]),
        row["agent_id"],
        row["market"] or row["token"],
        row["side"],
        row["action"],
        render.NOTHING if row["score"] is None else f"{row['score']:+.2f}",
        render.styled(row["status"], render.GOOD if row["status"] == "TAKEN" else render.DIM),
        f"@{row['username']}: {' '.join(row['evidence'].split())}",
        " ".join(part for part in (render.sentence(row["reason"]), row["detail"] or "") if part),
    )
