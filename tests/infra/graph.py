"""How the resources of a template depend on one another, and where they go round in a circle."""

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

_SUBSTITUTED = re.compile(r"\$\{([^!}.]+)[^}]*\}")


def references(node: Any) -> Iterator[str]:
    """Every name that is used by Ref, GetAtt or Sub anywhere below."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, Mapping):
        for name, value in node.items():
            match name:
                case "Ref":
                    yield str(value)
                case "Fn::GetAtt":
                    yield str(value[0] if isinstance(value, list) else str(value).partition(".")[0])
                case "Fn::Sub":
                    text, given = value if isinstance(value, list) else (value, {})
                    yield from (found for found in _SUBSTITUTED.findall(text) if found not in given)
                    yield from references(given)
                case _:
                    yield from references(value)


def dependencies(resources: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    """What each resource needs before it can be made: what it names, and its DependsOn."""
    found: dict[str, set[str]] = {}
    for name, body in resources.items():
        waits = body.get("DependsOn", [])
        named = {waits} if isinstance(waits, str) else set(waits)
        found[name] = (named | set(references(body.get("Properties", {})))) & set(resources)
    return found


def circle(resources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The resources of one circle, in its order; an empty list where there is none."""
    try:
        TopologicalSorter(dependencies(resources)).prepare()
    except CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


def needs(resources: Mapping[str, Mapping[str, Any]], name: str) -> set[str]:
    """Everything that has to be there before this resource, however far removed."""
    direct = dependencies(resources)
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for other in direct[waiting.pop()] - found:
            found.add(other)
            waiting.append(other)
    return found
