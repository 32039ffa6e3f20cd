"""What the pages say, read as a reader would: tables, command lines, names in code."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "infra" / "runbook.md"])
_BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_SHELL = re.compile(r"[#;&]|&&|\$\(| {2,}")  # where a command's own words end


def table(page: Path, first: str) -> dict[str, dict[str, str]]:
    """The rows of the table whose first column is called that: by the first cell, each cell by its column's name."""
    lines = page.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} |"))
    names = _cells(lines[start])
    found: dict[str, dict[str, str]] = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = dict(zip(names, _cells(line), strict=True))
        assert cells[first] not in found, f"{cells[first]} stands twice"
        found[cells[first]] = cells
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def code(page: Path) -> Iterator[str]:
    """Every line of a block and every span that is set as code."""
    text = page.read_text()
    for block in _BLOCK.finditer(text):
        yield from (line.strip() for line in block[1].replace("\\\n", " ").splitlines())
    for span in _SPAN.finditer(_BLOCK.sub("", text)):
        yield " ".join(span[1].split())


def commands(page: Path, program: str) -> Iterator[list[str]]:
    """The words after the program's name, of each command line of it; brackets of what may be left out are taken off."""
    for line in code(page):
        match = re.match(rf"(?:\.venv/bin/|\.tools/sam/bin/)?{program}(?: (?P<words>.*))?$", line)
        if match:
            words = _SHELL.split((match["words"] or "").replace("[", "").replace("]", ""))[0]
            yield shlex.split(words.replace("'", ""))
