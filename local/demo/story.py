"""What happened, told: one sentence an event, each event once. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from local.demo.store import Story
from outcry.runtime.database import Row
from outcry.runtime.reasons import Reason

_LONGEST_TEXT = 96


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

    def new_lines(self, story: Story) -> list[Line]:
        """The events that were not told yet, in the order of their times."""
        lines = [line for key, line in _events(story) if self._is_new(key)]
        return sorted(lines, key=lambda line: line.at)

    def _is_new(self, key: tuple[Any, ...]) -> bool:
        if key in self._told:
            return False
        self._told.add(key)
        return True


def _events(story: Story) -> Iterator[tuple[tuple[Any, ...], Line]]:
    for row in story.posts:
        said = f"@{row['username']}: {_short(row['text'])}"
        yield ("post", row["post_id"]), Line(row["received_at"], "post", said, "cyan")
        if row["status"] in {"NOT_A_CALL", "UNCLASSIFIED"}:
            why = f"no call in @{row['username']}'s post: {_why(row['reason'])}"
            yield ("no call", row["post_id"]), Line(row["received_at"], "call", why, "bright_black")
    for row in story.calls:
        said = (
            f"{row['action']} {row['side']} {row['token']} by @{row['username']}, conviction "
            f"{row['conviction']:.2f}{_levels(row)}, because of “{_short(row['evidence'])}”"
        )
        yield ("call", row["call_id"]), Line(row["heard_at"], "call", said, "bright_cyan")
    for row in story.signals:
        yield ("signal", row["signal_id"]), _signal(row)
    for row in story.orders:
        line = _order(row)
        if line is not None:
            yield ("order", row["order_id"], row["status"]), line
    for row in story.positions:
        line = _position(row)
        if line is not None:
            yield ("position", row["position_id"], row["status"]), line


def _signal(row: Row) -> Line:
    what = f"{row['agent_id']}: {row['action'].lower()} {row['side']} {row['market'] or row['token']}"
    if row["status"] == "TAKEN":
        score = "" if row["score"] is None else f", score {row['score']:+.2f}"
        return Line(row["decided_at"], "signal", f"{what} taken{score}", "green")
    return Line(row["decided_at"], "signal", f"{what} skipped: {_why(row['reason'])}", "yellow")


def _order(row: Row) -> Line | None:
    """Entries and exits when they end, protections when they rest; what lies in between is not told."""
    what = f"{row['deployment_id']}: {row['leg']} {row['side']} {row['market']}"
    status, kind = row["status"], row["kind"]
    if status == "SKIPPED":
        return Line(row["updated_at"], "order", f"{what} skipped: {_why(row['reason'])}", "yellow")
    if kind == "protect" and status == "RESTING":
        said = f"{what} rests at {plain(row['trigger_price'])} for {plain(row['size'])}"
        return Line(row["updated_at"], "order", said, "blue")
    if status in {"FILLED", "PARTIAL_DONE", "TRIGGERED"} and row["average_price"] is not None:
        said = f"{what} filled {plain(row['filled_size'])} at {plain(row['average_price'])}"
        return Line(row["updated_at"], "order", said, "bright_green")
    if status in {"REJECTED", "EXPIRED", "UNKNOWN"}:
        return Line(row["updated_at"], "order", f"{what} {status.lower()}: {_why(row['reason'])}", "red")
    return None


def _position(row: Row) -> Line | None:
    what = f"{row['deployment_id'] or row['account_id']}: {row['side']} {row['market']}"
    if row["status"] == "OPEN" and row["opened_at"] is not None:
        said = f"{what} open at {plain(row['entry_price'])}, stop {plain(row['stop_price'])}"
        return Line(row["opened_at"], "position", said, "bold")
    if row["status"] == "CLOSED" and row["closed_at"] is not None:
        earned = row["realised_pnl_usd"]
        style = "bold green" if earned is not None and earned >= 0 else "bold red"
        said = (
            f"{what} closed at {plain(row['exit_price'])} with {_money(earned)}: {_why(row['exit_reason'])}"
        )
        return Line(row["closed_at"], "position", said, style)
    return None


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


def _money(number: Decimal | None) -> str:
    return "unknown PnL" if number is None else f"{number:+.2f} USD"
