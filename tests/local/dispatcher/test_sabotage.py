"""What is broken on purpose is there to be broken, and only in the functions that have it."""

import subprocess
import sys
from pathlib import Path

import pytest

from local.dispatcher.sabotage import KINDS

BREAK = """
from local.dispatcher import sabotage
sabotage.apply("{kind}", "{function}")
from {module} import {owner} as owner
print(owner.{name}.__module__)
"""
BROKEN = {
    "stop": ("outcry.orders.protect", "ProtectStep", "__call__"),
    "dedupe": ("outcry.orders.carry", "Carrier", "_send"),
    "fill": ("outcry.orders", "fills_store", "insert_new"),
}


def broken_by(repository: Path, kind: str, function: str) -> str:
    """The module whose code stands in the place that `kind` breaks, in a process of `function`."""
    module, owner, name = BROKEN[kind]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            BREAK.format(kind=kind, function=function, module=module, owner=owner, name=name),
        ],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_there_is_a_case_for_every_kind() -> None:
    assert set(BROKEN) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("function", ["execute_orders", "monitor_hyperliquid"])
def test_the_part_is_broken_where_orders_are_carried_out(repository: Path, kind: str, function: str) -> None:
    assert broken_by(repository, kind, function) == "local.dispatcher.sabotage"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_broken_in_other_functions(repository: Path, kind: str) -> None:
    assert broken_by(repository, kind, "classify_posts").startswith("outcry.")
