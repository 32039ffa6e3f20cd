"""Where commands meet the world: this installation's parts, and errors as one sentence with an exit code.

Promises: 2 where the person can mend it (input, configuration), 1 where something below did not work; nothing secret is said.
Errors that nobody foresaw are not dressed up: they end with their traceback. Never decides anything about trading.
"""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, NoReturn

import typer

from outcry import wiring
from outcry.agents import roster
from outcry.agents.desk import DeskError
from outcry.cli import stack, store
from outcry.controls.model import UnknownScope
from outcry.runtime.database import Transaction, UniqueViolation
from outcry.runtime.errors import BugError, ConfigurationError, InfrastructureError
from outcry.runtime.settings import PREFIX, Settings

WRONG_INPUT = 2
NOT_WORKING = 1

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking back.")]
By = Annotated[str, typer.Option("--by", help="Who does it; your user name on this machine by default.")]


@contextmanager
def sentences() -> Iterator[None]:
    """Say every foreseen error on stderr and end the command with its exit code."""
    try:
        yield
    except (ConfigurationError, DeskError, UnknownScope) as error:
        _end(f"{error}{_or_a_stack(error)}", WRONG_INPUT)
    except InfrastructureError as error:
        _end(f"it did not work: {_one_line(error)}", NOT_WORKING)
    except (BugError, UniqueViolation) as error:
        _end(f"this should not happen: {_one_line(error)}", NOT_WORKING)


@contextmanager
def reading() -> Iterator[tuple[Transaction, datetime]]:
    """A transaction that can only read, all of it at one moment, and the time."""
    with sentences(), wiring.database().transaction() as tx:
        store.read_only(tx)
        yield tx, wiring.clock().now()


@contextmanager
def changing() -> Iterator[tuple[Transaction, datetime]]:
    """A transaction that may change something, and the time."""
    with sentences(), wiring.database().transaction() as tx:
        yield tx, wiring.clock().now()


def network() -> str:
    """The network of this installation."""
    return str(wiring.settings_of(Settings).network.value)


def person(by: str) -> str:
    """Who acts: as said, or the user of this machine. Raises ConfigurationError where nobody is known."""
    if by.strip():
        return by.strip()
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise ConfigurationError("--by", by, "say who you are: this machine does not know") from None


def known_account(tx: Transaction, account_id: str) -> None:
    """Raise ConfigurationError, with the accounts that there are, where there is none of this id."""
    known = [account.account_id for account in roster.accounts(tx)]
    if account_id not in known:
        raise ConfigurationError("account", account_id, f"use one of: {', '.join(known) or 'none yet'}")


def ask_first(question: str, *, yes: bool) -> None:
    """Go on only where the person agrees. The question goes to stderr, so that stdout stays what was asked for."""
    if yes:
        return
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    agreed = sys.stdin.readline().strip().lower() in {"y", "yes"}
    if not agreed:
        _end("nothing was changed: answer y, or give --yes", WRONG_INPUT)


def _end(sentence: str, code: int) -> NoReturn:
    sys.stderr.write(f"outcry: {stack.addressed(sentence)}\n")
    raise typer.Exit(code)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _or_a_stack(error: Exception) -> str:
    """What else mends a setting that is missing: a deployed stack has it."""
    if not isinstance(error, ConfigurationError) or os.environ.get(stack.STACK_VARIABLE):
        return ""
    is_missing = error.setting.startswith(PREFIX) and "is not set" in str(error)
    return ", or give --stack NAME for a deployed stack" if is_missing else ""
