"""Shows a run while it happens: a live screen in a terminal, plain lines everywhere else. Decides nothing.

Everything goes to one stream, so that the JSON object can have the other one for itself.
"""

import sys
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from local.demo.screen import draw
from local.demo.store import Story
from local.demo.story import Line

_KEPT_LINES = 200


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
    """A screen that is redrawn four times a second."""

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
        self._live.update(draw(self._console, self._lines, story, begin, end, busy))

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


def choose(stream: TextIO) -> Show:
    """The screen where there is a terminal to draw on."""
    is_terminal = stream.isatty() and not Console(file=stream).is_dumb_terminal
    return LiveShow(stream) if is_terminal else PlainShow(stream)


def stream_for(*, as_json: bool) -> TextIO:
    """Where the show goes: out of the way of the JSON object."""
    return sys.stderr if as_json else sys.stdout
