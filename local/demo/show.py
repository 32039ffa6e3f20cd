"""Shows a run while it happens: a live screen in a terminal, plain lines everywhere else. Decides nothing.

Everything goes to one stream, so that the JSON object can have the other one for itself.
"""

import sys
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from local.demo.store import Story
from local.demo.story import Line
from outcry.runtime.database import Row

_KEPT_LINES = 200
_ROWS_BESIDE_EVENTS = 26  # rows of the screen that are not events
_FEWEST_EVENTS = 6


class Show(Protocol):
    """What the run tells its watcher. `is_watched`: a person follows it on a screen."""

    @property
    def is_watched(self) -> bool: ...

    def progress(self, what: str) -> None:
        """A step of set-up begins."""
        ...

    def happened(
        self, lines: Sequence[Line], story: Story, *, begin: datetime, end: datetime, busy: Sequence[str]
    ) -> None:
        """New events, and how everything stands."""
        ...

    def say(self, text: str) -> None:
        """A sentence outside the run itself."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class PlainShow:
    """One line an event."""

    is_watched = False

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._began_s = time.monotonic()

    def progress(self, what: str) -> None:
        self.say(f"[{time.monotonic() - self._began_s:5.1f} s] {what}")

    def happened(
        self, lines: Sequence[Line], story: Story, *, begin: datetime, end: datetime, busy: Sequence[str]
    ) -> None:
        for line in lines:
            self.say(f"{line.at:%H:%M:%S} {line.kind:<8} {line.text}")

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()


class LiveShow:
    """A screen that is redrawn four times a second: time, events, positions, equity."""

    is_watched = True

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)
        self._lines: deque[Line] = deque(maxlen=_KEPT_LINES)
        self._live: Live | None = None
        self._began_s = time.monotonic()

    def progress(self, what: str) -> None:
        self._console.print(Text(f"[{time.monotonic() - self._began_s:5.1f} s] {what}", style="bright_black"))

    def happened(
        self, lines: Sequence[Line], story: Story, *, begin: datetime, end: datetime, busy: Sequence[str]
    ) -> None:
        self._lines.extend(lines)
        if self._live is None:
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        self._live.update(self._screen(story, begin, end, busy))

    def say(self, text: str) -> None:
        self._stop()
        self._console.print(text, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _screen(self, story: Story, begin: datetime, end: datetime, busy: Sequence[str]) -> Group:
        return Group(
            _header(story, begin, end, busy),
            Panel(self._events(), title="what happens", title_align="left", border_style="bright_black"),
            _positions(story),
            _equity(story),
        )

    def _events(self) -> Text:
        height = max(_FEWEST_EVENTS, self._console.height - _ROWS_BESIDE_EVENTS)
        text = Text(no_wrap=True, overflow="ellipsis")
        for line in list(self._lines)[-height:]:
            text.append(f"{line.at:%H:%M:%S} {line.kind:<8} ", style="bright_black")
            text.append(f"{line.text}\n", style=line.style)
        return text


def _header(story: Story, begin: datetime, end: datetime, busy: Sequence[str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row(
        Text(f"{story.at:%Y-%m-%d %H:%M:%S} UTC", style="bold"),
        ProgressBar(
            total=(end - begin).total_seconds(), completed=(story.at - begin).total_seconds(), width=30
        ),
        Text(", ".join(busy) or "the clock jumps", style="bright_black"),
    )
    return table


def _positions(story: Story) -> Table:
    table = Table(title="positions", title_justify="left", expand=True, border_style="bright_black")
    for name in (
        "deployment",
        "market",
        "side",
        "status",
        "entry",
        "mark",
        "stop",
        "peak",
        "exit",
        "PnL in USD",
    ):
        table.add_column(
            name,
            justify="right" if name in {"entry", "mark", "stop", "peak", "exit", "PnL in USD"} else "left",
        )
    for row in story.positions[-10:]:
        mark = story.marks.get(str(row["market"]))
        pnl = _pnl(row, None if mark is None else mark["mark"])
        style = "" if pnl is None else ("green" if pnl >= 0 else "red")
        table.add_row(
            str(row["deployment_id"] or row["account_id"]),
            str(row["market"]),
            str(row["side"]),
            str(row["exit_reason"] or row["status"]),
            _number(row["entry_price"]),
            _number(mark["mark"]) if mark is not None and row["closed_at"] is None else "",
            _number(row["stop_price"]),
            _number(row["peak"]),
            _number(row["exit_price"]),
            Text("" if pnl is None else f"{pnl:+.2f}", style=style),
        )
    return table


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


def _equity(story: Story) -> Text:
    parts = [
        f"{row['account_id']} {row['equity_usd']:.2f} USD ({row['free_usd']:.2f} free)"
        for row in story.equity
    ]
    return Text("equity  " + "   ".join(parts) if parts else "equity  not read yet", style="bold")


def _number(value: Decimal | None) -> str:
    return "" if value is None else f"{value.normalize():f}"


def choose(stream: TextIO) -> Show:
    """The screen where there is a terminal to draw on."""
    is_terminal = stream.isatty() and not Console(file=stream).is_dumb_terminal
    return LiveShow(stream) if is_terminal else PlainShow(stream)


def stream_for(*, as_json: bool) -> TextIO:
    """Where the show goes: out of the way of the JSON object."""
    return sys.stderr if as_json else sys.stdout
