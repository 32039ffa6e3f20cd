"""The words of orders and actions are those that the database takes."""

import re
from enum import StrEnum
from importlib import resources

import pytest

from outcry.orders.model import STOP_LEG, ActionKind, ActionStatus, OrderKind, OrderStatus
from outcry.orders.progress import again, done, follow

SCHEMA = resources.files("outcry").joinpath("migrations/0001_desk_and_pipeline.sql").read_text()


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("orders", "kind", OrderKind),
        ("orders", "status", OrderStatus),
        ("actions", "kind", ActionKind),
        ("actions", "status", ActionStatus),
    ],
)
def test_every_word_of_ours_is_one_that_the_table_takes(
    table: str, column: str, words: type[StrEnum]
) -> None:
    definition = SCHEMA.split(f"create table {table} (")[1].split("\n);")[0]
    listed = re.search(rf"\n    {column} .*? in \((.*?)\)", definition, re.DOTALL)
    assert listed is not None

    assert {word.value for word in words} <= set(re.findall(r"'(\w+)'", listed.group(1)))


def test_the_stop_has_one_name() -> None:
    assert STOP_LEG == "stop"


def test_a_step_says_whom_to_follow_and_when_to_come_back() -> None:
    from uuid import UUID

    one, two = UUID(int=1), UUID(int=2)

    assert (done().follow, done().again_s) == ((), None)
    assert again(5).again_s == 5
    later = follow(one, two, then=lambda held: done())
    assert later.follow == (one, two)
    assert later.then is not None
    assert later.again_s is None
