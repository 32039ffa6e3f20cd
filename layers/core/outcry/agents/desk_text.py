"""YAML as plain data, with the line of every field.

Promises: a number stays the text that was written, so that no amount ever passes through a float; a key that
is written twice is reported, never overwritten; nothing in the file can make the reader build an object or
run for ever. The one module that touches the YAML library, which only the command line and the tests carry:
it is imported on use.
"""

from dataclasses import dataclass, field
from typing import Any

from outcry.agents.desk_problem import DeskError, DeskProblem, Path, field_name

DEEPEST = 20
MOST_NODES = 100_000
_TAG = "tag:yaml.org,2002:"


@dataclass(slots=True)
class DeskText:
    """The file's content as dicts, lists, text, booleans and None, and where each field is."""

    source: str
    content: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[DeskProblem] = field(default_factory=list)
    nodes: int = 0

    def line_of(self, path: Path) -> int:
        """The line of a field, or of the nearest thing around it that is in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: Path, value: str | None, fix: str) -> None:
        """Note something to mend."""
        self.problems.append(DeskProblem(self.source, self.line_of(path), field_name(path), value, fix))


def read_text(text: str, source: str) -> DeskText:
    """Read YAML (JSON is YAML too).

    Raises DeskError where it is not YAML at all, or deeper or larger than any desk.
    """
    import yaml

    found = DeskText(source)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "it cannot be read"
        line = 1 if mark is None else mark.line + 1
        raise DeskError(
            [DeskProblem(source, line, "the file", "not YAML", f"mend this line: {what}")]
        ) from error
    except RecursionError as error:
        raise DeskError([_too_much(source, 1)]) from error
    found.content = None if root is None else _plain(root, (), found)
    return found


class Plain(str):
    """Text that is written without quotes, because the reader takes it as text all the same: numbers, fractions, durations."""

    __slots__ = ()


def write_text(content: Any) -> str:
    """Write data as YAML that `read_text` reads back; keys keep their order."""
    import yaml

    class Writer(yaml.SafeDumper):
        """The library's own, with our one type more."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def plain(writer: Any, text: Plain) -> Any:
        return writer.represent_scalar(writer.resolve(yaml.ScalarNode, str(text), (True, False)), str(text))

    Writer.add_representer(Plain, plain)
    return str(yaml.dump(content, Dumper=Writer, sort_keys=False, allow_unicode=True, width=120))


def _plain(node: Any, path: Path, found: DeskText) -> Any:
    line = node.start_mark.line + 1
    found.nodes += 1
    if len(path) > DEEPEST or found.nodes > MOST_NODES:
        raise DeskError([_too_much(found.source, line)])
    found.lines.setdefault(path, line)
    if node.id == "mapping":
        return _mapping(node, path, found)
    if node.id == "sequence":
        return [_plain(item, (*path, index), found) for index, item in enumerate(node.value)]
    if node.tag == _TAG + "null":
        return None
    if node.tag == _TAG + "bool":
        return node.value.lower() in {"true", "yes", "on"}
    return str(node.value)


def _mapping(node: Any, path: Path, found: DeskText) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        if key in content:
            line = key_node.start_mark.line + 1
            name = field_name((*path, key))
            found.problems.append(
                DeskProblem(found.source, line, name, "written twice", "keep one of the two")
            )
            continue
        found.lines[(*path, key)] = key_node.start_mark.line + 1
        content[key] = _plain(value_node, (*path, key), found)
    return content


def _too_much(source: str, line: int) -> DeskProblem:
    return DeskProblem(
        source, line, "the file", "nested or repeated without end", "write the desk out plainly"
    )
