"""The audit passes only what was looked up and found clean: silence, a skipped package and a dead network are failures."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import audit

LOCK = """# a lock
clean==1.0 \\
    --hash=sha256:00
other-place==2.0 ; sys_platform == 'nowhere' \\
    --hash=sha256:11
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock.txt"
    path.write_text(LOCK)
    return path


def pip_audit(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, out: str, err: str = "", code: int = 0
) -> None:
    """Puts a program in pip-audit's place that says this."""
    program = folder / "pip-audit"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.stdout.write({out!r})\nsys.stderr.write({err!r})\nsys.exit({code})\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(audit, "PIP_AUDIT", program)


def answered(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


def test_a_lock_of_clean_packages_passes_and_names_what_is_for_other_platforms(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pip_audit(monkeypatch, tmp_path, out=answered({"name": "clean", "version": "1.0", "vulns": []}))

    code = audit.main([str(lock)])

    said = capsys.readouterr().out
    assert code == 0
    assert "1 packages audited" in said
    assert "for other platforms alone, not audited here: other-place==2.0" in said


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (answered(), "clean==1.0 could not be audited: pip-audit said nothing about it"),
        (
            answered({"name": "clean", "skip_reason": "not found"}),
            "clean==1.0 could not be audited: not found",
        ),
        (
            answered(
                {"name": "clean", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]}
            ),
            "clean==1.0 has the known vulnerability CVE-1, fixed in 1.1",
        ),
    ],
)
def test_what_was_not_found_clean_fails_by_name(
    lock: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    sentence: str,
) -> None:
    pip_audit(monkeypatch, tmp_path, out=answer)

    code = audit.main([str(lock)])

    assert code == 1
    assert sentence in capsys.readouterr().out


def test_an_index_that_cannot_be_reached_is_no_pass(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pip_audit(monkeypatch, tmp_path, out="", err="Traceback\nConnectionError: no route\n", code=1)

    code = audit.main([str(lock)])

    said = capsys.readouterr().out
    assert code == 1
    assert "nothing was audited: ConnectionError: no route" in said
    assert "passed" not in said


def test_every_lock_of_the_project_is_audited(repository: Path) -> None:
    names = {str(path.relative_to(repository)) for path in audit.locks(repository)}

    assert names == {
        "requirements-cli.txt",
        "requirements-dev.txt",
        *(f"layers/{layer}/requirements.txt" for layer in ("core", "social", "venues")),
        *(f"tools/{path.stem}.txt" for path in (repository / "tools").glob("*.in")),
    }
