"""`outcry canary`: prove an account with the build that is deployed, by the smallest trade that there is.

Promises: the network must be named and be the account's; on mainnet it must be confirmed with --yes. The command only plans and
looks: what is signed, the deployed functions sign. Exit code 0: it passed; 1: it failed; 2: it could not be begun.
"""

import os
import re
import time
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import typer

from outcry import wiring
from outcry.agents import roster
from outcry.agents.model import Account
from outcry.cli import render, store
from outcry.cli.canary.report import Report
from outcry.cli.canary.run import CanaryRun, Tools
from outcry.cli.edge import NOT_WORKING, AsJson, By, known_account, network, person, sentences
from outcry.orders import canary as ledger
from outcry.runtime.database import Row, UniqueViolation
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.queues import Queue, SqsDoorbell
from outcry.runtime.settings import PREFIX
from outcry.runtime.version import build_id, is_known
from outcry.venues.hyperliquid.client import MAINNET_URL, TESTNET_URL
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from outcry.venues.port import Market, Venue

_URLS = {"mainnet": MAINNET_URL, "testnet": TESTNET_URL}
_RUNS_BY_ITSELF = "tick"
_NOT_OURS = "The venue also shows {}, which is not the canary's: somebody else trades on this account, and Outcry leaves it alone."
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")  # as the column wants it


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("canary")(canary)


def canary(
    on: Annotated[str, typer.Option("--network", help="The account's network, named on purpose.")],
    account: Annotated[str, typer.Option("--account", help="The account to prove.")],
    market: Annotated[
        str, typer.Option("--market", help="Where to trade; the most liquid by default.")
    ] = "BTC",
    key: Annotated[
        str, typer.Option("--key", help="Idempotency key: under one key there is one trade, ever.")
    ] = "",
    by: By = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="On mainnet: yes, with real money.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open, protect, ratchet and close the smallest trade through the deployed functions."""
    with sentences():
        _check_form(key)
        place = _account(on, account, yes)
        key, told = _key(account, key)
        if told is not None:
            _end(told["report"], passed=bool(told["passed"]), as_json=as_json)
            return
        venue = _venue(on)
        run = CanaryRun(
            Tools(wiring.database(), wiring.clock(), venue, _doorbell(), time.sleep),
            place,
            _market(venue, market),
            Report(key, account, on, market, build_id(), wiring.clock().now()),
            by=person(by),
        )
        try:
            report = run.run()
        except UniqueViolation:
            raise ConfigurationError(
                "--key", key, "another canary of this account is under way: run again without --key"
            ) from None
    if run.stands is None:
        _end(report.document(), passed=report.passed, as_json=as_json)
    else:  # another terminal may have been quicker with the same key: there is one verdict, and both tell it
        _end(run.stands["report"], passed=run.stands["passed"], as_json=as_json)


def _account(on: str, account_id: str, yes: bool) -> Account:
    """The account, where it may be traded on here. Raises ConfigurationError."""
    if not is_known():
        raise ConfigurationError(
            "build",
            build_id(),
            "this command line cannot know it: run that of the checkout that was deployed",
        )
    if on != network():
        raise ConfigurationError("--network", on, f"this installation trades on {network()}")
    with wiring.database().transaction() as tx:
        store.read_only(tx)
        known_account(tx, account_id)
        account = roster.account(tx, account_id)
        runs = next((each["build"] for each in store.builds(tx) if each["stage"] == _RUNS_BY_ITSELF), None)
    assert account is not None, "it is known"
    if account.venue == "paper":
        raise ConfigurationError("--account", account_id, "a paper account needs no canary")
    if account.network != on:
        raise ConfigurationError("--network", on, f"{account_id} is on {account.network}")
    if runs is not None and runs != build_id():
        raise ConfigurationError(
            "build", build_id(), f"the functions run {runs}: use the command line of that build"
        )
    if on == "mainnet" and not yes:
        raise ConfigurationError(
            "--yes", None, "confirm a trade with real money, of about 12 US dollars, with --yes"
        )
    return account


def _check_form(key: str) -> None:
    """Raise ConfigurationError where no canary can have this key."""
    if key and not _KEY.fullmatch(key):
        raise ConfigurationError(
            "--key", key, "write 1 to 63 of a-z, 0-9, - and _, and begin with a letter or a digit"
        )


def _key(account_id: str, given: str) -> tuple[str, Row | None]:
    """The key to go on or to begin with, and the canary of that key where it is over already."""
    with wiring.database().transaction() as tx:
        store.read_only(tx)
        key = given or ledger.running_key(tx, account_id) or _new_key(wiring.clock().now())
        row = store.canary(tx, key)
    is_over = row is not None and row["account_id"] == account_id and row["finished_at"] is not None
    return key, row if is_over else None


def _new_key(now: datetime) -> str:
    return f"canary-{now:%Y%m%d-%H%M%S}"


def _venue(on: str) -> Venue:
    url = os.environ.get(f"{PREFIX}HYPERLIQUID_URL") or _URLS.get(on)
    if url is None:
        raise ConfigurationError(
            f"{PREFIX}HYPERLIQUID_URL", None, "on network=local, name the server's address"
        )
    return HyperliquidVenue(on, url, wiring.clock(), connect_timeout_s=3, read_timeout_s=8)


def _market(venue: Venue, name: str) -> Market:
    found = venue.markets().get(name)
    if found is None or found.is_delisted:
        raise ConfigurationError("--market", name, "it does not trade at the venue: use BTC, for one")
    return found


def _doorbell() -> SqsDoorbell | None:
    """The queues' doorbell where they are known; without, the next sweep finds what was planned."""
    urls = {
        queue: url
        for queue in (Queue.ENTRIES, Queue.EXITS)
        if (url := os.environ.get(f"{PREFIX}QUEUE_{queue.value.upper()}"))
    }
    return SqsDoorbell(urls) if len(urls) == 2 else None


# ─── shown ──────────────────────────────────────────────────────────────────────────────────────────────────


def _end(document: dict[str, Any], *, passed: bool, as_json: bool) -> None:
    says, follows = _words(document, passed)
    if as_json:
        render.print_json({**document, "says": says, "next": follows})
    else:
        _show(document)
        render.say(says, follows)
    if not passed:
        raise typer.Exit(NOT_WORKING)


def _words(document: dict[str, Any], passed: bool) -> tuple[str, str]:
    where = f"{document['account_id']} on {document['network']} with build {document['build']}"
    if passed:
        cost = f"it cost ${document['cost_usd']}" if document["cost_usd"] else "its cost is not known"
        return f"The canary {document['key']} passed: {where}; {cost}.", (
            "Entries of this account are allowed with this build, once nothing stands against them: `outcry status`."
        )
    left = _left(document["held"], document.get("ours"), document["market"])
    trouble = f" {document['trouble'][0].upper()}{document['trouble'][1:]}." if document["trouble"] else ""
    return f"The canary {document['key']} FAILED: {where}.{trouble}", left


def _left(held: str | None, ours: str | None, market: str) -> str:
    """What is left at the end: of the canary, and of whoever else trades on the account."""
    if ours is not None and Decimal(ours) != 0:
        said = (
            f"THE CANARY STILL HOLDS {ours} {market}. Its exit is planned and goes on, and it closes by itself 15 minutes after it was"
            " opened. Watch `outcry positions`."
        )
        foreign = None if held is None else Decimal(held) - Decimal(ours)
        return said + (f" {_NOT_OURS.format(f'{foreign.normalize():f} {market}')}" if foreign else "")
    if held is None:
        return "What the venue still shows could not be read: look at `outcry positions` and at the venue's page."
    if Decimal(held) == 0:
        return "The venue shows nothing of it."
    if ours is None:
        return (
            f"THE VENUE STILL SHOWS {held} {market}, and whether that is the canary's is not known: its entry may have been filled."
            " What is its own is closed 15 minutes after it was opened. Watch `outcry positions`."
        )
    return f"The canary holds nothing. {_NOT_OURS.format(f'{held} {market}')}"


def _show(document: dict[str, Any]) -> None:
    if document["despite"]:
        render.say(f"It went ahead despite what stands: {', '.join(document['despite'])}.")
    rows = [
        (
            step["name"],
            render.styled(
                "passed" if step["passed"] else "FAILED", render.GOOD if step["passed"] else render.BAD
            ),
            f"{step['took_ms']} ms",
            step["says"],
        )
        for step in document["steps"]
    ]
    render.table("Steps", ("step", "", "took", "what happened"), rows, right="took")
    answers = [
        (each["order"], each["kind"], each["status"], each["fault"] or each["says"])
        for each in document["answers"]
    ]
    if answers:
        render.table("The venue's answers, read again", ("order", "request", "state", "answer"), answers)
