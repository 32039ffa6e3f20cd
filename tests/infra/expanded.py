"""The template as AWS's own translator expands it: what is really deployed.

The translator lives in the environment of the local AWS, because it holds pydantic below the version that is deployed.
"""

import copy
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.dispatcher.cloudformation import load

ROOT = Path(__file__).resolve().parents[2]
TRANSLATOR = ROOT / ".tools" / "ministack" / "bin" / "python"
NESTED = ("network", "database", "observability")

# Takes a list of templates and gives the list of what they become; what cannot be expanded becomes its error.
_PROGRAM = """
import json, sys
from samtranslator.translator.transform import transform
class NoManagedPolicies:
    def load(self):
        return {}
def expand(template):
    for body in template["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            if name in body.get("Properties", {}):
                body["Properties"][name] = "s3://bucket/key"
    return transform(template, {}, NoManagedPolicies())
json.dump([expand(template) for template in json.load(sys.stdin)], sys.stdout)
"""


@dataclass(frozen=True, slots=True)
class Stack:
    """One template, expanded; `name` is its file's."""

    name: str
    template: Mapping[str, Any]

    @property
    def resources(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.template["Resources"]
        return found

    def of(self, *kinds: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The logical id and the properties of every resource of these kinds."""
        for name, body in self.resources.items():
            if body["Type"] in kinds:
                yield name, body.get("Properties", {})


def expand(templates: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each template becomes. Raises CalledProcessError where one cannot be translated."""
    done = subprocess.run(
        [str(TRANSLATOR), "-I", "-c", _PROGRAM],
        input=json.dumps(list(templates)),
        env={"AWS_DEFAULT_REGION": "us-east-1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def source() -> dict[str, Any]:
    """template.yaml as it is written, for a test to change."""
    return copy.deepcopy(load(ROOT / "template.yaml"))


def nested() -> list[Stack]:
    """The nested stacks. They are plain CloudFormation, so nothing has to be expanded."""
    files = [ROOT / "infra" / f"{name}.yaml" for name in NESTED]
    return [Stack(file.stem, load(file)) for file in files if file.exists()]


def stacks() -> list[Stack]:
    """Everything that is deployed."""
    return [Stack("template", expand([source()])[0]), *nested()]
