"""The command `outcry`: its groups of commands, put together.

Configuration comes from the environment, as it does for the functions, or with --stack from a deployed stack's functions. Every
command takes --json. Exit codes: 0 done, 1 something below did not work, 2 the input or the configuration is wrong.
"""

from typing import Annotated

import typer

from outcry.cli import controls, desk, lists, redrive, signers, stack, status
from outcry.cli.canary import command as canary
from outcry.cli.doctor import command as doctor
from outcry.cli.edge import sentences
from outcry.runtime.errors import ConfigurationError

app = typer.Typer(
    name="outcry",
    help="Look at the desk, stop it, and let it go on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its frames would show what variables hold
    rich_markup_mode=None,
)


@app.callback()
def configure(
    name: Annotated[
        str, typer.Option("--stack", help="A deployed stack: its functions' configuration is used.")
    ] = "",
    region: Annotated[str, typer.Option("--region", help="The AWS region that the stack is in.")] = "",
) -> None:
    """Look at the desk, stop it, and let it go on."""
    with sentences():
        if name:
            stack.use(name, region)
        elif region:
            raise ConfigurationError("--region", region, "give it together with --stack")


status.register(app)
doctor.register(app)
canary.register(app)
lists.register(app)
controls.register(app)
redrive.register(app)
app.add_typer(signers.app)
app.add_typer(desk.app)
