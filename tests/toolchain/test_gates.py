"""Each gate of `make check` that comes from elsewhere refuses a mistake that is made on purpose, by the very command that is run.

Our own rules are shown theirs in tests/infra/test_rules.py and tests/infra/test_workflows.py.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tools.run_checks import CHECKS, command

ROOT = Path(__file__).resolve().parents[2]
CHECKOV = ROOT / ".tools" / "checkov"
COMMANDS = dict(CHECKS)
LINT = "template: cfn-lint with serverless rules"
CHECKOV_NAME = "template: checkov"
SECRETS = "secrets: detect-secrets"


def run(name: str, folder: Path) -> tuple[int, str]:
    """What the check says about a copy of the checkout."""
    done = subprocess.run(
        command(COMMANDS[name]),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The templates and how they are looked at, away from the checkout."""
    for name in ("template.yaml", ".cfnlintrc", ".checkov.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "infra", tmp_path / "infra")
    return tmp_path


def spoil(folder: Path, mistakes: Mapping[str, tuple[str, str, str]]) -> None:
    """Make each mistake: by what is said of it, the file, what stands there and what is written instead."""
    for file, good, bad in mistakes.values():
        path = folder / file
        text = path.read_text()
        assert good in text, good
        path.write_text(text.replace(good, bad))


# What refuses what. All at once, because each of the two programs takes seconds to start.
BY_LINTER = {
    "E3006": ("template.yaml", "Type: AWS::SNS::Topic\n", "Type: AWS::SNS::Topique\n"),
    "E1010": ("template.yaml", "!GetAtt TickLogs.Arn", "!GetAtt TockLogs.Arn"),
    "E3012": ("template.yaml", "VisibilityTimeout: 45", "VisibilityTimeout: a while"),
    "WS1000": ("template.yaml", "    Tracing: Active\n", "    Tracing: PassThrough\n"),
    "ES1005": ("template.yaml", "    MemorySize: 512\n", ""),
    "E3002": ("infra/database.yaml", "EngineVersion", "EngineVersoin"),
}
BY_CHECKOV = {
    "CKV_AWS_96": ("infra/database.yaml", "StorageEncrypted: true", "StorageEncrypted: false"),
    "CKV_AWS_17": ("infra/database.yaml", "PubliclyAccessible: false", "PubliclyAccessible: true"),
    "CKV_AWS_7": ("template.yaml", "EnableKeyRotation: true", "EnableKeyRotation: false"),
}


def test_a_template_with_mistakes_is_refused_by_the_linter(copy: Path) -> None:
    spoil(copy, BY_LINTER)

    code, output = run(LINT, copy)

    assert code != 0
    assert [rule for rule in BY_LINTER if rule not in output] == []


@pytest.mark.skipif(not CHECKOV.exists(), reason="checkov is made by `make check`")
def test_f57_a_template_that_is_unsafe_is_refused_by_checkov(copy: Path) -> None:
    spoil(copy, BY_CHECKOV)

    code, output = run(CHECKOV_NAME, copy)

    assert code != 0
    assert [check for check in BY_CHECKOV if check not in output] == []


# ─── secrets ───


@pytest.fixture
def tracked(tmp_path: Path) -> Path:
    """A repository with nothing in it but the scanner."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "tools").mkdir()
    for name in ("scan_secrets.py", "key_detector.py"):
        shutil.copy(ROOT / "tools" / name, tmp_path / "tools" / name)
    entry = '[[allowed]]\npath = "tools/key_detector.py"\nfingerprint = "{}"\nreason = "the name of a kind"\n'
    known = (
        (ROOT / "tools" / "secrets_allowed.toml")
        .read_text()
        .split('path = "tools/key_detector.py"\nfingerprint = "')[1]
    )
    (tmp_path / "tools" / "secrets_allowed.toml").write_text(entry.format(known[:40]))
    return tmp_path


def pieces(*parts: str) -> str:
    """A made-up secret, put together here so that none stands in this file."""
    return "".join(parts)


SEEDED = {
    "a private key": pieces("key = '0x", "4c0883a6" * 8, "'"),
    "a key of AWS": pieces("id = 'AKIA", "IOSFODNN7", "EXAMPLQ'"),
    "a token of GitHub": pieces("token = 'ghp", "_", "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx'"),
    "a password": pieces("password", " = 'correct-horse-battery'"),
    "a key file": pieces("-----BEGIN ", "RSA PRIVATE KEY-----"),
}


def test_a_checkout_without_a_secret_is_let_through(tracked: Path) -> None:
    assert run(SECRETS, tracked) == (0, "secrets: 0 found, 1 allowed\n")


@pytest.mark.parametrize("what", SEEDED)
def test_f25_a_secret_in_any_file_is_refused_and_not_shown(tracked: Path, what: str) -> None:
    (tracked / "settings.py").write_text(SEEDED[what] + "\n")

    code, output = run(SECRETS, tracked)

    assert code == 1
    assert "settings.py:1: " in output
    assert SEEDED[what].strip("'").split("'")[-1] not in output


def test_a_comment_does_not_let_a_secret_through(tracked: Path) -> None:
    (tracked / "settings.py").write_text(SEEDED["a private key"] + "  # pragma: allowlist secret\n")

    assert run(SECRETS, tracked)[0] == 1


def test_what_was_allowed_and_is_gone_is_said(tracked: Path) -> None:
    spoil(tracked, {"a value": ("tools/key_detector.py", "Key of 32 bytes", "x")})

    code, output = run(SECRETS, tracked)

    assert code == 1
    assert "is not in tools/key_detector.py any more" in output


def test_a_secret_is_not_allowed_without_a_reason(tracked: Path) -> None:
    spoil(tracked, {"a reason": ("tools/secrets_allowed.toml", "the name of a kind", "")})

    code, output = run(SECRETS, tracked)

    assert code == 1
    assert "say why" in output
