"""The command `outcry`: its groups of commands, put together.

Configuration comes from the environment, as it does for the functions, or with --stack from a deployed stack's functions; --stack
and --region may stand anywhere on the line. Every command takes --json. Exit codes: 0 done, 1 something below did not work, 2 the
input or the configuration is wrong.
"""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from outcry.cli import controls, desk, lists, notices, redrive, signers, stack, status
from outcry.cli.canary import command as canary
from outcry.cli.doctor import command as doctor
from outcry.cli.edge import sentences
from outcry.runtime.errors import ConfigurationError

_ANYWHERE = ("--stack", "--region")


class Program(TyperGroup):
    """The commands, before or after whose names the stack may stand: people add it at the end of the line that they have."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move the stack and its region to where they are read, and note what asks no stack for anything."""
        first, rest = _hoisted(args)
        ctx.obj = {"asks_no_stack": "--help" in rest or rest[:2] == ["desk", "check"]}
        return super().parse_args(ctx, first + rest)


def _hoisted(args: list[str]) -> tuple[list[str], list[str]]:
    """The options that may stand anywhere, with their values, and what is left. One without a value stays, and is refused."""
    first: list[str] = []
    rest: list[str] = []
    waiting = iter(args)
    for word in waiting:
        if word == "--":
            rest.extend([word, *waiting])
        elif word.startswith(tuple(f"{name}=" for name in _ANYWHERE)):
            first.append(word)
        elif word in _ANYWHERE and (value := next(waiting, None)) is not None:
            first.extend([word, value])
        else:
            rest.append(word)
    return first, rest


app = typer.Typer(
    name="outcry",
    cls=Program,
    help="Look at the desk, stop it, and let it go on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its frames would show what variables hold
    rich_markup_mode=None,
)


@app.callback()
def configure(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Option(
            "--stack",
            envvar=stack.STACK_VARIABLE,
            help="A deployed stack: its functions' configuration is used.",
        ),
    ] = "",
    region: Annotated[
        str,
        typer.Option(
            "--region",
            envvar=stack.REGION_VARIABLE,
            help="The AWS region that the stack is in; AWS_REGION by default.",
        ),
    ] = "",
) -> None:
    """Look at the desk, stop it, and let it go on."""
    source = ctx.get_parameter_source("region")
    is_typed = source is not None and source.name == "COMMANDLINE"
    with sentences():
        if name and not ctx.obj["asks_no_stack"]:
            stack.use(name, region)
        elif not name and is_typed:
            raise ConfigurationError("--region", region, "give it together with --stack")
        else:
            stack.use_region(region)


status.register(app)
doctor.register(app)
canary.register(app)
lists.register(app)
notices.register(app)
controls.register(app)
redrive.register(app)
app.add_typer(signers.app)
app.add_typer(desk.app)
