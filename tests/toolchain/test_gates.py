"""Each gate of `make check` that comes from elsewhere refuses a mistake that is made on purpose, by the very command that is run.

Our own rules are shown theirs in tests/infra/test_rules.py and tests/infra/test_workflows.py.
"""

import hashlib
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
    shutil.copy(ROOT / "tools" / "scan_secrets.py", tmp_path / "tools" / "scan_secrets.py")
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


# What this project is given to keep: by the kind that is said of it.
OWN = {
    "Bearer token of X": pieces(
        "A" * 22, "MLheAAAAAAA0%2BuSeid%2BULvsea4JtiGRiSDSJSI%3DEUifiRBkKG5E2XzMDjRfl76ZC9Ub0w"
    ),
    "Key of 32 bytes": pieces("4c0883a6", "9102937d" * 7),
    "API key of a model": pieces("sk-", "ant-api03-", "R2D2c3po_" * 5),
    "Webhook of Discord": pieces("https://discord", ".com/api/webhooks/", "1042/", "wWPw5k4aXcaT4fNP"),
    "Bot of Telegram": pieces("110201543", ":", "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw9"),
    "Secret key of AWS": pieces("secret_access", "_key=", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzzzz"),
}
# How a secret comes to stand in a file: by the file's name.
STANDING = {
    "x.yaml": "bearer_token: {}",
    "data.json": '{{"bearer_token": "{}"}}',
    "notes.md": "The token is {}, as given.",
    "deploy.sh": "export SIGNER_KEY={}",
    "values.txt": "X_TOKEN={}",
    "quoted.py": "key = '{}'",
    "called.py": "client = open_client('{}')",
    "settings.toml": 'value = "{}"',
    "requirements-own.txt": "# {}",
    "tests/test_it.py": "TOKEN = '{}'",
    "noname": "{}",
}


def test_a_checkout_without_a_secret_is_let_through(tracked: Path) -> None:
    assert run(SECRETS, tracked) == (0, "secrets: 0 found, 0 allowed\n")


@pytest.mark.parametrize("kind", OWN)
def test_f25_a_secret_of_this_project_is_refused_however_it_stands_and_not_shown(
    tracked: Path, kind: str
) -> None:
    (tracked / "tests").mkdir()
    for name, line in STANDING.items():
        (tracked / name).write_text("\n" + line.format(OWN[kind]) + "\n")

    code, output = run(SECRETS, tracked)

    assert code == 1
    assert [name for name in STANDING if f"{name}:2: {kind}. " not in output] == []
    assert OWN[kind] not in output


def test_a_digest_that_says_so_is_let_through(tracked: Path) -> None:
    digest = OWN["Key of 32 bytes"]
    (tracked / "requirements-own.txt").write_text(f"outcry==1 --hash=sha256:{digest}\n")
    (tracked / "workflow.yml").write_text(f"image: outcry@sha256:{digest}\n")

    assert run(SECRETS, tracked) == (0, "secrets: 0 found, 0 allowed\n")


@pytest.mark.parametrize("name", ["x.json", "llm.json", "database.json", ".env", "signer.key"])
def test_f25_a_file_that_a_secret_is_written_into_is_never_added(tracked: Path, name: str) -> None:
    shutil.copy(ROOT / ".gitignore", tracked / ".gitignore")
    (tracked / name).write_text(OWN["Key of 32 bytes"])

    subprocess.run(["git", "add", "--all"], cwd=tracked, check=True)

    added = subprocess.run(["git", "ls-files"], cwd=tracked, capture_output=True, text=True, check=True)
    assert added.stdout.split() == [".gitignore", "tools/scan_secrets.py"]


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


def allow(folder: Path, reason: str) -> None:
    """Allow a private key in settings.py."""
    fingerprint = hashlib.sha1(OWN["Key of 32 bytes"].encode(), usedforsecurity=False).hexdigest()
    entry = f'[[allowed]]\npath = "settings.py"\nfingerprint = "{fingerprint}"\nreason = "{reason}"\n'
    (folder / "tools" / "secrets_allowed.toml").write_text(entry)


def test_what_is_allowed_is_let_through_in_its_own_file_alone(tracked: Path) -> None:
    allow(tracked, "made up for this test")
    for name in ("settings.py", "another.py"):
        (tracked / name).write_text(f"key = {OWN['Key of 32 bytes']}\n")

    code, output = run(SECRETS, tracked)

    assert code == 1
    assert "another.py:1: Key of 32 bytes" in output
    assert "settings.py" not in output
    assert "1 found, 1 allowed" in output


def test_what_was_allowed_and_is_gone_is_said(tracked: Path) -> None:
    allow(tracked, "made up for this test")

    code, output = run(SECRETS, tracked)

    assert code == 1
    assert "is not in settings.py any more" in output


def test_a_secret_is_not_allowed_without_a_reason(tracked: Path) -> None:
    allow(tracked, "")

    code, output = run(SECRETS, tracked)

    assert code == 1
    assert "say why" in output
