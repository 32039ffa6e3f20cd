"""What happened, told: one sentence an event, each event once, and no effect before its cause. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import IntEnum
from typing import Any

from local.demo.store import Story
from outcry.runtime.database import Row
from outcry.runtime.reasons import Reason

_LONGEST_TEXT = 96
_PRICE = Context(prec=8, rounding=ROUND_HALF_EVEN)  # an average over several fills has no end of digits


class Rank(IntEnum):
    """Which comes first of what happens in one instant."""

    POST = 0
    CALL = 1
    SIGNAL = 2
    ENTRY = 3
    OPEN = 4
    STOP = 5
    TARGET = 6
    EXIT = 7
    CLOSED = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened: when, what it is about, and the sentence. `style` is a colour of rich."""

    at: datetime
    kind: str
    text: str
    style: str


class Teller:
    """Tells what is new since it was last asked."""

    def __init__(self) -> None:
        self._told: set[tuple[Any, ...]] = set()

    def new_lines(self, story: Story, *, is_last: bool = False) -> list[Line]:
        """The events that were not told yet, in the order of their times.

        What follows from an order that is still at work is told once that has come to its end, or in the last
        story.
        """
        known = _Known.of(story, is_last=is_last)
        new = [event for event in _events(story, known) if self._is_new(event.key)]
        return [event.line for event in sorted(new, key=lambda event: (event.line.at, event.rank))]

    def _is_new(self, key: tuple[Any, ...]) -> bool:
        if key in self._told:
            return False
        self._told.add(key)
        return True


@dataclass(frozen=True, slots=True)
class _Event:
    key: tuple[Any, ...]
    rank: Rank
    line: Line


@dataclass(frozen=True, slots=True)
class _Known:
    """When each order, and the entry of each position, was last filled; and in which positions the entry, or what
    closes them, is not done yet.
    """

    filled_at: dict[str, datetime]
    entered_at: dict[str, datetime]
    entering: frozenset[str] = frozenset()
    leaving: frozenset[str] = frozenset()

    @classmethod
    def of(cls, story: Story, *, is_last: bool) -> "_Known":
        filled_at: dict[str, datetime] = {}
        for row in story.fills:
            order = str(row["order_id"])
            filled_at[order] = max(row["filled_at"], filled_at.get(order, row["filled_at"]))
        entries = [row for row in story.orders if row["kind"] == "enter"]
        entered_at = {
            str(row["position_id"]): filled_at[str(row["order_id"])]
            for row in entries
            if str(row["order_id"]) in filled_at
        }
        if is_last:
            return cls(filled_at, entered_at)
        at_work = [row for row in story.orders if row["finished_at"] is None]
        return cls(
            filled_at,
            entered_at,
            frozenset(str(row["position_id"]) for row in at_work if row["kind"] == "enter"),
            frozenset(
                str(row["position_id"])
                for row in at_work
                if row["kind"] != "enter" and str(row["order_id"]) in filled_at
            ),
        )


def _events(story: Story, known: _Known) -> Iterator[_Event]:
    for row in story.posts:
        said = f"@{row['username']}: {_short(row['text'])}"
        yield _Event(("post", row["post_id"]), Rank.POST, Line(row["received_at"], "post", said, "cyan"))
        if row["status"] in {"NOT_A_CALL", "UNCLASSIFIED"}:
            why = f"no call in @{row['username']}'s post: {_why(row['reason'])}"
            line = Line(row["received_at"], "call", why, "bright_black")
            yield _Event(("no call", row["post_id"]), Rank.CALL, line)
    for row in story.calls:
        said = (
            f"{row['action']} {row['side']} {row['token']} by @{row['username']}, conviction "
            f"{row['conviction']:.2f}{_levels(row)}, because of “{_short(row['evidence'])}”"
        )
        yield _Event(("call", row["call_id"]), Rank.CALL, Line(row["heard_at"], "call", said, "bright_cyan"))
    for row in story.signals:
        yield _Event(("signal", row["signal_id"]), Rank.SIGNAL, _signal(row))
    for row in story.orders:
        if row["kind"] == "protect" and str(row["position_id"]) in known.entering:
            continue
        told = _order(row, known.filled_at.get(str(row["order_id"])))
        if told is not None:
            yield _Event(("order", row["order_id"], row["status"]), *told)
    for row in story.positions:
        yield from _position(row, known)


def _signal(row: Row) -> Line:
    what = f"{row['agent_id']}: {row['action'].lower()} {row['side']} {row['market'] or row['token']}"
    if row["status"] == "TAKEN":
        score = "" if row["score"] is None else f", score {row['score']:+.2f}"
        return Line(row["decided_at"], "signal", f"{what} taken{score}", "green")
    return Line(row["decided_at"], "signal", f"{what} skipped: {_why(row['reason'])}", "yellow")


def _order(row: Row, filled_at: datetime | None) -> tuple[Rank, Line] | None:
    """Entries and exits when they end, protections when they rest; what lies in between is not told."""
    what = f"{row['deployment_id']}: {row['leg']} {row['side']} {row['market']}"
    status, kind, at = row["status"], row["kind"], row["updated_at"]
    rank = Rank.ENTRY if kind == "enter" else Rank.EXIT
    if status == "SKIPPED":
        return rank, Line(at, "order", f"{what} skipped: {_why(row['reason'])}", "yellow")
    if kind == "protect" and status == "RESTING":
        said = f"{what} rests at {plain(row['trigger_price'])} for {plain(row['size'])}"
        return (Rank.STOP if row["leg"] == "stop" else Rank.TARGET), Line(at, "order", said, "blue")
    if status in {"FILLED", "PARTIAL_DONE", "TRIGGERED"} and row["average_price"] is not None:
        said = f"{what} filled {plain(row['filled_size'])} at {price(row['average_price'])}"
        return rank, Line(filled_at or at, "order", said, "bright_green")
    if status in {"REJECTED", "EXPIRED", "UNKNOWN"}:
        return rank, Line(at, "order", f"{what} {status.lower()}: {_why(row['reason'])}", "red")
    return None


def _position(row: Row, known: _Known) -> Iterator[_Event]:
    what = f"{row['deployment_id'] or row['account_id']}: {row['side']} {row['market']}"
    position = str(row["position_id"])
    if row["opened_at"] is not None and position not in known.entering:
        said = f"{what} open at {price(row['entry_price'])}, stop {price(row['stop_price'])}"
        at = max(row["opened_at"], known.entered_at.get(position, row["opened_at"]))
        yield _Event(("open", position), Rank.OPEN, Line(at, "position", said, "bold"))
    if row["status"] == "CLOSED" and row["closed_at"] is not None and position not in known.leaving:
        earned = row["realised_pnl_usd"]
        style = "bold green" if earned is not None and earned >= 0 else "bold red"
        said = (
            f"{what} closed at {price(row['exit_price'])} with {_money(earned)}: {_why(row['exit_reason'])}"
        )
        yield _Event(("closed", position), Rank.CLOSED, Line(row["closed_at"], "position", said, style))


def _levels(row: Row) -> str:
    parts = [f"stop {plain(row['stop'])}"] if row["stop"] is not None else []
    parts += [f"targets {', '.join(plain(target) for target in row['targets'])}"] if row["targets"] else []
    return f", {', '.join(parts)}" if parts else ""


def _why(reason: str | None) -> str:
    if reason is None:
        return "no reason given"
    if reason not in Reason.__members__:
        return reason
    sentence = Reason(reason).sentence
    return f"{sentence[0].lower()}{sentence[1:].removesuffix('.')}"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _LONGEST_TEXT else plain[: _LONGEST_TEXT - 1] + "…"


def plain(number: Decimal | None) -> str:
    """The number as people write it, without trailing zeros."""
    if number is None:
        return "-"
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def price(number: Decimal | None) -> str:
    """A price as people write it, with at most eight significant figures."""
    return plain(None if number is None else _PRICE.plus(number))


def _money(number: Decimal | None) -> str:
    return "unknown PnL" if number is None else f"{number:+.2f} USD"
