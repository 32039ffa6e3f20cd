"""The screen of a run: time, equity, events, positions. Decides nothing.

Promises: it fits the terminal; what each account is worth is always on it; the newest events are there whole,
with their reasons; open positions come first, then those that were closed last. Below `WIDE` columns it shows
fewer columns rather than narrower ones.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from rich.console import Console, Group
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from local.demo.store import Story
from local.demo.story import Line, price
from outcry.runtime.database import Row

WIDE = 110
_COLUMNS = ("deployment", "market", "side", "status", "entry", "mark", "stop", "peak", "exit", "PnL in USD")
_LEFT_OUT_WHEN_NARROW = {"mark", "peak", "exit"}
_WORDS = {"deployment", "market", "side", "status"}
_LONGEST_NAME = 16  # of a deployment, where there is little room
_AROUND = 6  # header, equity, the frame of the events, the head of the positions, and the cursor's line
_FEWEST_EVENTS = 5
_FEWEST_ROWS = 3


def draw(
    console: Console, lines: Sequence[Line], story: Story, begin: datetime, end: datetime, busy: Sequence[str]
) -> Group:
    """How everything stands, to fit this console. `lines` are the events so far, the newest last."""
    is_wide = console.width >= WIDE
    room = console.height - _AROUND
    rows, hidden = _in_order(story.positions, max(_FEWEST_ROWS, room // 2))
    height = max(_FEWEST_EVENTS, room - len(rows) - (hidden > 0))
    return Group(
        _header(console.width, story, begin, end, busy),
        _equity(story, is_wide=is_wide),
        Panel(
            _events(console, lines, height, is_wide=is_wide),
            title="what happens",
            title_align="left",
            border_style="bright_black",
            height=height + 2,
        ),
        _positions(story, rows, hidden, is_wide=is_wide),
    )


def _header(width: int, story: Story, begin: datetime, end: datetime, busy: Sequence[str]) -> Table:
    now = f"{story.at:%Y-%m-%d %H:%M:%S} UTC"
    bar = 30 if width >= WIDE else 16
    table = Table.grid(padding=(0, 2))
    table.add_row(
        Text(now, style="bold", no_wrap=True),
        ProgressBar(
            total=(end - begin).total_seconds(), completed=(story.at - begin).total_seconds(), width=bar
        ),
        Text(
            _clipped(", ".join(busy) or "the clock jumps", width - len(now) - bar - 5),
            style="bright_black",
            no_wrap=True,
        ),
    )
    return table


def _equity(story: Story, *, is_wide: bool) -> Text:
    parts = [
        f"{row['account_id']} {row['equity_usd']:.2f} USD"
        + (f" ({row['free_usd']:.2f} free)" if is_wide else "")
        for row in story.equity
    ]
    said = "equity  " + ("   ".join(parts) or "not read yet")
    return Text(said, style="bold", no_wrap=True, overflow="ellipsis")


def _events(console: Console, lines: Sequence[Line], height: int, *, is_wide: bool) -> Table:
    """As many of the newest events as there is room for, each whole."""
    lead = 17 if is_wide else 8  # the time, and where there is room the kind
    width = console.width - 4 - lead - 1
    shown: list[Line] = []
    for line in reversed(lines):
        height -= len(Text(line.text).wrap(console, max(width, 1)))
        if height < 0 and shown:
            break
        shown.append(line)
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=lead, no_wrap=True, style="bright_black")
    table.add_column(overflow="fold")
    for line in reversed(shown):
        when = f"{line.at:%H:%M:%S} {line.kind:<8}" if is_wide else f"{line.at:%H:%M:%S}"
        table.add_row(when, Text(line.text, style=line.style))
    return table


def _in_order(positions: Sequence[Row], most: int) -> tuple[list[Row], int]:
    """Open ones first, then the latest closed; and how many there was no room for."""
    held = [row for row in positions if row["closed_at"] is None]
    closed = sorted(
        (row for row in positions if row["closed_at"] is not None),
        key=lambda row: row["closed_at"],
        reverse=True,
    )
    rows = [*held, *closed]
    return (rows, 0) if len(rows) <= most else (rows[: most - 1], len(rows) - most + 1)


def _positions(story: Story, rows: Sequence[Row], hidden: int, *, is_wide: bool) -> Table:
    names = [name for name in _COLUMNS if is_wide or name not in _LEFT_OUT_WHEN_NARROW]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold bright_black")
    for name in names:
        table.add_column(name, justify="left" if name in _WORDS else "right", no_wrap=True)
    for row in rows:
        cells = _cells(story, row, is_wide=is_wide)
        table.add_row(*(cells[name] for name in names))
    if hidden:
        table.add_row(Text(f"… {hidden} more", style="bright_black"))
    return table


def _cells(story: Story, row: Row, *, is_wide: bool) -> dict[str, str | Text]:
    known = story.marks.get(str(row["market"]))
    mark: Decimal | None = None if known is None else known["mark"]
    pnl = _pnl(row, mark)
    name = str(row["deployment_id"] or row["account_id"])
    return {
        "deployment": name if is_wide else _clipped(name, _LONGEST_NAME),
        "market": str(row["market"]),
        "side": str(row["side"]),
        "status": str(row["exit_reason"] or row["status"]),
        "entry": _number(row["entry_price"]),
        "mark": _number(mark) if row["closed_at"] is None else "",
        "stop": _number(row["stop_price"]),
        "peak": _number(row["peak"]) if row["trail_price"] is not None else "",
        "exit": _number(row["exit_price"]),
        "PnL in USD": Text(
            "" if pnl is None else f"{pnl:+.2f}",
            style="" if pnl is None else ("green" if pnl >= 0 else "red"),
        ),
    }


def _pnl(row: Row, mark: Decimal | None) -> Decimal | None:
    """What a closed position earned, or what an open one would at the mark."""
    if row["closed_at"] is not None:
        earned: Decimal | None = row["realised_pnl_usd"]
        return earned
    if mark is None or row["entry_price"] is None:
        return None
    sign = 1 if row["side"] == "LONG" else -1
    moved: Decimal = mark - row["entry_price"]
    return moved * Decimal(row["size"]) * sign


def _number(value: Decimal | None) -> str:
    return "" if value is None else price(value)


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: max(longest - 1, 0)] + "…"
