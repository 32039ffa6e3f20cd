"""What `sam build` left in .aws-sam/build: each function's own folder, and the folders of its layers.

Promises: read from the built template alone, so that it is what a deployment would take; paths are absolute.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.dispatcher.cloudformation import load


@dataclass(frozen=True, slots=True)
class Built:
    """One function: the name that its folder has in the checkout, its handler, its folder and its layers in the build."""

    name: str
    folder: Path
    layers: Mapping[str, Path]
    handler: str = "app.handler"


def built(build: Path) -> list[Built]:
    """The functions of a build, by name. Raises TemplateError where nothing was built."""
    build = build.resolve()
    template = load(build / "template.yaml")
    common = template.get("Globals", {}).get("Function", {})
    resources: dict[str, dict[str, Any]] = template["Resources"]
    properties = {name: body.get("Properties", {}) for name, body in resources.items()}
    found = [
        Built(
            name=_snake(name.removesuffix("Function")),
            folder=build / str(properties[name]["CodeUri"]),
            layers={
                layer["Ref"]: build / str(properties[layer["Ref"]]["ContentUri"])
                for layer in properties[name].get("Layers", [])
            },
            handler=str(properties[name].get("Handler", common.get("Handler", "app.handler"))),
        )
        for name, body in resources.items()
        if body["Type"] == "AWS::Serverless::Function"
    ]
    return sorted(found, key=lambda function: function.name)


def _snake(name: str) -> str:
    """A logical id's name as our folders have it: IngestPosts, ingest_posts."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
