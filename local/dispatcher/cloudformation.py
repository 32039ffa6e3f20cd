"""Reads a CloudFormation template and works out its intrinsic functions, as far as the dispatcher needs them.

Promises: an intrinsic function, a parameter or a resource attribute that is not known is a TemplateError
that names it; nothing is ever replaced by a guess. Understands Ref, GetAtt, Sub, Join, If, FindInMap, Equals,
Not, And and Or.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

NO_VALUE = object()
_SUBSTITUTE = re.compile(r"\$\{([^!}][^}]*)\}")


class TemplateError(Exception):
    """The template cannot be used here; the message names what and where."""


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags, each read as its long form."""


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tagged)


def load(path: Path) -> dict[str, Any]:
    """The template as a dictionary. Raises TemplateError where it is not one."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader's child
    except (OSError, yaml.YAMLError) as error:
        raise TemplateError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict) or "Resources" not in content:
        raise TemplateError(f"{path} has no Resources")
    return content


class Resolver:
    """Works out values of one template for given parameters and resource attributes.

    `attributes` maps a resource to what its Ref (under the name "Ref") and its attributes are here.
    """

    def __init__(
        self,
        template: Mapping[str, Any],
        parameters: Mapping[str, str],
        attributes: Mapping[str, Mapping[str, str]],
        pseudo: Mapping[str, str],
    ) -> None:
        declared: Mapping[str, Any] = template.get("Parameters", {})
        unknown = set(parameters) - set(declared)
        if unknown:
            raise TemplateError(f"the template has no parameter {min(unknown)}")
        self._parameters = {
            name: str(spec["Default"]) for name, spec in declared.items() if "Default" in spec
        }
        self._parameters.update(parameters)
        self._declared = declared
        self._mappings: Mapping[str, Any] = template.get("Mappings", {})
        self._conditions: Mapping[str, Any] = template.get("Conditions", {})
        self._attributes = attributes
        self._pseudo = pseudo

    def value(self, node: Any) -> Any:
        """The node with everything in it worked out; NO_VALUE entries are gone."""
        if isinstance(node, list):
            return [value for item in node if (value := self.value(item)) is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            name, argument = next(iter(node.items()))
            if name == "Ref" or name.startswith("Fn::"):
                return self._function(name.removeprefix("Fn::"), argument)
        worked_out = {name: self.value(item) for name, item in node.items()}
        return {name: value for name, value in worked_out.items() if value is not NO_VALUE}

    def _function(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self._ref(str(argument))
            case "GetAtt":
                return self._attribute(str(argument[0]), str(argument[1]))
            case "Sub":
                return self._substitute(argument)
            case "Join":
                between, parts = argument[0], self.value(argument[1])
                return str(between).join(parts.split(",") if isinstance(parts, str) else parts)
            case "If":
                condition, then, otherwise = argument
                return self.value(then if self._condition(str(condition)) else otherwise)
            case "FindInMap":
                first, second, third = (self.value(part) for part in argument)
                return self._mappings[first][second][third]
            case "Equals":
                left, right = (self.value(part) for part in argument)
                return left == right
            case "Not":
                return not self._truth(argument[0])
            case "And":
                return all(self._truth(part) for part in argument)
            case "Or":
                return any(self._truth(part) for part in argument)
        raise TemplateError(f"the intrinsic function {name} is not known here")

    def _truth(self, node: Any) -> bool:
        if isinstance(node, dict) and set(node) == {"Condition"}:
            return self._condition(str(node["Condition"]))
        return bool(self.value(node))

    def _condition(self, name: str) -> bool:
        if name not in self._conditions:
            raise TemplateError(f"the condition {name} is not declared")
        return self._truth(self._conditions[name])

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self._pseudo:
            return self._pseudo[name]
        if name in self._parameters:
            return self._parameters[name]
        if name in self._declared:
            raise TemplateError(f"the parameter {name} has no default: give it a value")
        return self._attribute(name, "Ref")

    def _attribute(self, resource: str, attribute: str) -> str:
        try:
            return self._attributes[resource][attribute]
        except KeyError:
            raise TemplateError(f"{resource}.{attribute} has no counterpart on this machine") from None

    def _substitute(self, argument: Any) -> str:
        text, extra = argument if isinstance(argument, list) else (argument, {})

        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name in extra:
                return str(self.value(extra[name]))
            return str(self._attribute(*name.split(".", 1)) if "." in name else self._ref(name))

        return _SUBSTITUTE.sub(one, str(text))
