"""The command `outcry`: its groups of commands, put together.

Configuration comes from the environment, as it does for the functions. Every command takes --json. Exit codes: 0 done,
1 something below did not work, 2 the input or the configuration is wrong.
"""

import typer

from outcry.cli import controls, desk, lists, redrive, signers, status

app = typer.Typer(
    name="outcry",
    help="Look at the desk, stop it, and let it go on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its frames would show what variables hold
    rich_markup_mode=None,
)
status.register(app)
lists.register(app)
controls.register(app)
redrive.register(app)
app.add_typer(signers.app)
app.add_typer(desk.app)
