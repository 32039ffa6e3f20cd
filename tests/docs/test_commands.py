"""Whatever command a page tells people to type exists, with the options that it is given there."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from outcry.cli.main import app
from tests.docs.pages import PAGES, ROOT, code, commands


def unknown(words: list[str]) -> str | None:
    """What of a command line does not exist; None where all of it does. `a | b` and `a|b` are alternatives."""
    command: Any = typer.main.get_command(app)
    rest = [word.rstrip(",") for word in words]
    while rest:
        word, rest = rest[0], rest[1:]
        options = {name: option for option in command.params for name in option.opts}
        if word.startswith("-") and word != "--help":
            if word not in options:
                return word
            rest = rest if options[word].is_flag else rest[1:]
        elif isinstance(command, TyperGroup) and word[0].islower():
            if word not in command.commands:
                return word
            command = command if rest[:1] == ["|"] else command.commands[word]
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_ours_that_a_page_names_exists(page: Path) -> None:
    wrong = {" ".join(words): unknown(words) for words in commands(page, "outcry")}

    assert {line: fault for line, fault in wrong.items() if fault is not None} == {}


def test_a_command_or_an_option_that_does_not_exist_is_found() -> None:
    assert unknown(["withdraw", "main"]) == "withdraw"
    assert unknown(["signer", "export"]) == "export"
    assert unknown(["--stack", "x", "signer", "create", "main", "--private-key"]) == "--private-key"
    assert unknown(["--stack", "x", "signer", "create", "main", "--slot", "2", "--custody", "kms"]) is None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_target_of_make_that_a_page_names_exists(page: Path) -> None:
    targets = {
        line.split(":")[0]
        for line in (ROOT / "Makefile").read_text().splitlines()
        if ":" in line and line[0].isalpha()
    }

    named = {word for line in code(page) if line.startswith("make ") for word in line.split()[1:2]}

    assert {word for word in named if word.islower() and word.isalpha()} <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_f25_no_page_puts_a_secret_on_a_command_line(page: Path) -> None:
    lines = [line for line in code(page) if "--secret-string" in line or "PGPASSWORD" in line]

    assert [line for line in lines if "--secret-string file://" not in line] == []
    assert lines or page.name != "deploy.md", "deploy.md says how a secret is made"


def test_f25_what_holds_secrets_or_names_them_is_never_committed() -> None:
    files = ["samconfig.testnet.toml", "layers/core/certificates/rds.pem", ".env", "signer.key"]

    said = subprocess.run(
        ["git", "check-ignore", *files], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert said.stdout.split() == files


def test_every_page_can_be_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()

    pages = [page for page in PAGES if page.parent != ROOT or page.name in {"SECURITY.md", "CHANGELOG.md"}]

    assert [
        str(page.relative_to(ROOT)) for page in pages if f"({page.relative_to(ROOT)})" not in readme
    ] == []
