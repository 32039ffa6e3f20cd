"""What commands print: JSON for programs, tables and sentences for people.

Promises: in JSON, money is text in plain digits and a time is ISO 8601 in UTC; nothing on stdout but the document. Tables are
as wide as they need to be when they are not shown on a terminal, so that no cell is cut. Never a float.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outcry.cli.stack import addressed
from outcry.runtime.reasons import Reason

_WIDE = 240  # columns of a table that goes to a file or a pipe
_GAP = 3  # columns between two cells
_WORDS = 20  # the least width in which words are read with ease
NOTHING = "-"
BAD, GOOD, DIM = "bold red", "green", "dim"


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document. What it `says` and what comes `next` name commands as they are to be typed."""
    words = {
        name: addressed(document[name]) for name in ("says", "next") if isinstance(document.get(name), str)
    }
    document = {**document, **words}
    sys.stdout.write(json.dumps(plain(document), indent=2, ensure_ascii=False) + "\n")


def plain(value: Any) -> Any:
    """The value as JSON knows it. Raises TypeError for what has no agreed form, floats among them."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    raise TypeError(f"{type(value).__name__} has no form in JSON here")


def console() -> Console:
    """Where people read. Made anew for each command, because stdout may have been redirected since."""
    shown = Console(highlight=False)
    return shown if shown.is_terminal else Console(highlight=False, width=_WIDE)


def say(*sentences: str) -> None:
    """Print sentences, one a line, with the stack in the commands that they name."""
    for sentence in sentences:
        sys.stdout.write(addressed(sentence) + "\n")


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, right: str = ""
) -> None:
    """Print a table, or, where the terminal is too narrow for it, each row as a paragraph: no figure is ever cut.

    `right` names, separated by spaces, the columns whose figures stand under each other. The last column holds words, which
    may be broken.
    """
    cells = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right.split() else "left"
        made.add_column(column, justify=justify, overflow="fold", no_wrap=column != columns[-1])
    for row in cells:
        made.add_row(*row)
    shown = console()
    widths = [
        max(cell_len(name), *(row[place].cell_len for row in cells), 0) for place, name in enumerate(columns)
    ]
    if sum(widths[:-1]) + _GAP * len(columns) + min(widths[-1], _WORDS) <= shown.width:
        shown.print(made)
        return
    shown.print(Text(title, style="bold"))
    for row in cells:
        shown.print(_paragraph(columns, row))


def _paragraph(columns: Sequence[str], row: Sequence[Text]) -> Text:
    """A row with its columns' names, those that say something."""
    named = [
        Text.assemble((f"{name} ", DIM), cell) for name, cell in zip(columns, row, strict=True) if cell.plain
    ]
    return Text.assemble("· ", Text(", ").join(named))


def styled(text: str, style: str) -> Text:
    """Text in a style; markup in it is shown, not obeyed: posts and venues may write what they like."""
    return Text(text, style=style)


def figure(value: Decimal | None) -> str:
    """A price or a size, with thousands apart and no idle zeros."""
    if value is None:
        return NOTHING
    text = format(value, ",f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def usd(value: Decimal) -> str:
    """An amount of US dollars to the cent, with its sign."""
    return format(value, "+,.2f")


def age(since: datetime, now: datetime) -> str:
    """How long ago, in two words at most: `12 s`, `3 min`, `5 h 10 min`, `2 d`."""
    seconds = max((now - since) // timedelta(seconds=1), 0)
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d"


def moment(at: datetime | None) -> str:
    """A time, to the second, in UTC."""
    return NOTHING if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def count(number: int, what: str) -> str:
    """`no positions`, `1 position`, `3 positions`; `entry` gives `entries`."""
    if number == 1:
        return f"1 {what}"
    many = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number or 'no'} {many}"


def sentence(reason: str | None) -> str:
    """A stored reason in words; one that this build does not know is shown as it is."""
    if reason is None:
        return ""
    return Reason(reason).sentence if reason in Reason else reason
