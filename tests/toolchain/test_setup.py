"""Set-up finds Python 3.13 where it may be, says what to do where it is not, and makes each environment once."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

# What a bare machine has; no Python, no uv, no curl.
BARE = ("sh", "dirname", "cat", "make", "sleep", "env", "mkdir", "ln", "touch", "awk")
SHOW_CHOICE = "import os, sys\nprint(os.environ.get('CHOSEN'), *sys.argv[1:])\n"

# Stands in for uv: notes how it was called, makes something like an environment, takes its time.
FAKE_UV = """#!/bin/sh
echo "$*" >> "{log}"
case "$1" in
venv)
    sleep 0.4
    for directory; do :; done
    mkdir -p "$directory/bin" "$directory/lib/python3.13/site-packages"
    ln -sf "{python}" "$directory/bin/python" ;;
esac
exit ${{FAKE_UV_EXIT:-0}}
"""

type Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A directory for PATH with the few programs that every machine has."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in BARE:
        program = shutil.which(name)
        assert program
        (directory / name).symlink_to(program)
    return directory


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    """A copy of what set-up needs, with locks of its own."""
    root = tmp_path / "a check out"
    shutil.copytree(repository / "tools", root / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(repository / "Makefile", root / "Makefile")
    (root / "requirements-dev.txt").write_text("one\n")
    return root


@pytest.fixture
def run(checkout: Path, bare_path: Path) -> Run:
    """Runs a command in the checkout, with nothing in the environment but what is given."""

    def run_command(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=checkout,
            env={"PATH": str(bare_path), "HOME": "/nonexistent", **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run_command


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def python_3_13(path: Path, chosen: str) -> Path:
    """A Python 3.13 that tells whoever it runs under which name it was chosen."""
    return program(path, f'#!/bin/sh\nCHOSEN={chosen} exec "{sys.executable}" "$@"\n')


def fake_uv(checkout: Path) -> Path:
    """Puts the stand-in where set-up keeps its uv, and gives the file in which it notes its calls."""
    log = checkout / "uv.log"
    log.touch()
    program(checkout / ".tools" / "uv" / "bin" / "uv", FAKE_UV.format(log=log, python=sys.executable))
    return log


def calls(log: Path, verb: str) -> int:
    return sum(line.startswith(verb) for line in log.read_text().splitlines())


def setup_py(checkout: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-I", "tools/setup.py", *arguments],
        cwd=checkout,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: "subprocess.Popen[str]") -> tuple[int, str]:
    _, said = process.communicate(timeout=30)
    return process.returncode, said


@pytest.mark.parametrize("target", ["demo", "test", "check", "bench", "build", "runtime", "audit"])
def test_without_python_3_13_every_target_says_within_five_seconds_how_to_get_it(
    run: Run, target: str
) -> None:
    began = time.monotonic()

    said = run("make", target)

    assert said.returncode == 2
    assert time.monotonic() - began < 5.0
    for platform in ("Debian, Ubuntu", "Fedora", "macOS", "Windows", "pyenv or uv"):
        assert sum(line.strip().startswith(platform) for line in said.stderr.splitlines()) == 1
    assert said.stdout == ""


def test_an_unreachable_download_counts_as_none(run: Run, bare_path: Path) -> None:
    program(
        bare_path / "uv", '#!/bin/sh\n[ "$2" = find ] && exit 2\necho "must not be reached" >&2\nexit 1\n'
    )
    program(bare_path / "curl", "#!/bin/sh\nexit 28\n")

    said = run("tools/setup.sh", "project")

    assert said.returncode == 2
    assert "must not be reached" not in said.stderr
    assert "Outcry needs Python 3.13" in said.stderr


def test_python_is_looked_for_in_the_order_that_the_readme_gives(
    run: Run, checkout: Path, bare_path: Path, tmp_path: Path
) -> None:
    (checkout / "tools" / "setup.py").write_text(SHOW_CHOICE)
    home = tmp_path / "home"
    named = python_3_13(tmp_path / "mine" / "python", "named")
    on_path = python_3_13(bare_path / "python3.13", "path")
    pyenv = python_3_13(home / ".pyenv" / "versions" / "3.13.0" / "bin" / "python3.13", "pyenv")
    managed = home / ".local" / "share" / "uv" / "python" / "cpython-3.13.1-linux" / "bin" / "python3.13"
    python_3_13(managed, "managed")
    searched = python_3_13(tmp_path / "somewhere" / "python3.13", "searched")
    program(bare_path / "uv", f'#!/bin/sh\n[ "$2" = find ] && echo "{searched}"\n')
    environment = {"HOME": str(home), "PYTHON": str(named)}

    found = []
    for last in (named, on_path, pyenv, managed, searched):
        found.append(run("tools/setup.sh", "project", **environment).stdout.strip())
        last.unlink()

    assert found == [f"{name} project" for name in ("named", "path", "pyenv", "managed", "searched")]


def test_a_shim_that_has_no_python_behind_it_is_passed_over(
    run: Run, checkout: Path, bare_path: Path, tmp_path: Path
) -> None:
    (checkout / "tools" / "setup.py").write_text(SHOW_CHOICE)
    program(bare_path / "python3.13", '#!/bin/sh\necho "python3.13: command not found" >&2\nexit 127\n')
    python_3_13(tmp_path / "pyenv" / "versions" / "3.13.2" / "bin" / "python3.13", "pyenv")

    said = run("tools/setup.sh", "project", PYENV_ROOT=str(tmp_path / "pyenv"))

    assert said.stdout.strip() == "pyenv project"
    assert said.stderr == ""


def test_a_python_of_another_version_is_named_and_not_used(
    run: Run, checkout: Path, bare_path: Path, tmp_path: Path
) -> None:
    (checkout / "tools" / "setup.py").write_text(SHOW_CHOICE)
    other = program(tmp_path / "python3.12", "#!/bin/sh\nexit 1\n")
    python_3_13(bare_path / "python3.13", "path")

    said = run("tools/setup.sh", "project", PYTHON=str(other))

    assert said.stdout.strip() == "path project"
    assert f"PYTHON={other} is not Python 3.13" in said.stderr


def test_uv_fetches_a_python_where_one_can_be_reached(
    run: Run, checkout: Path, bare_path: Path, tmp_path: Path
) -> None:
    (checkout / "tools" / "setup.py").write_text(SHOW_CHOICE)
    ready = python_3_13(tmp_path / "ready", "fetched")
    fetched = tmp_path / "fetched"
    program(
        bare_path / "uv",
        f'#!/bin/sh\ncase "$2" in\nfind) echo "{fetched}" ;;\ninstall) ln -s "{ready}" "{fetched}" ;;\nesac\n',
    )
    program(bare_path / "curl", "#!/bin/sh\nexit 0\n")

    said = run("tools/setup.sh", "project")

    assert said.stdout.strip() == "fetched project"


def test_an_environment_is_made_once_and_again_only_when_its_lock_changes(checkout: Path) -> None:
    log = fake_uv(checkout)

    assert finished(setup_py(checkout, "--current", "project"))[0] == 1
    first = finished(setup_py(checkout, "project"))
    second = finished(setup_py(checkout, "project"))
    (checkout / "requirements-dev.txt").write_text("two\n")
    third = finished(setup_py(checkout, "project"))

    assert [first[0], second[0], third[0]] == [0, 0, 0]
    assert second[1] == ""
    assert (calls(log, "venv"), calls(log, "pip sync")) == (1, 2)
    assert finished(setup_py(checkout, "--current", "project")) == (0, "")


def test_what_is_installed_is_checked_against_its_hashes_and_never_built(checkout: Path) -> None:
    log = fake_uv(checkout)

    finished(setup_py(checkout, "project"))

    sync = next(line for line in log.read_text().splitlines() if line.startswith("pip sync"))
    assert "--require-hashes" in sync
    assert "--no-build" in sync


@pytest.mark.parametrize(
    ("target", "environments"),
    [
        ("outcry", "project"),
        ("test", "project ministack runtime"),
        ("check", "project ministack checkov"),
        ("build", "project sam build"),
        ("runtime", "project ministack sam build runtime"),
        ("audit", "project audit"),
        ("setup-stack", "project ministack sam build runtime"),
    ],
)
def test_a_target_makes_the_environments_that_it_needs_and_no_others(
    run: Run, checkout: Path, target: str, environments: str
) -> None:
    program(checkout / "tools" / "setup.sh", '#!/bin/sh\necho "$*" >> asked\nexit 3\n')

    run("make", target)

    assert (checkout / "asked").read_text() == f"{environments}\n"


def test_a_moved_checkout_is_set_up_again(checkout: Path) -> None:
    fake_uv(checkout)
    finished(setup_py(checkout, "project"))

    moved = checkout.rename(checkout.with_name("elsewhere"))

    assert finished(setup_py(moved, "--current", "project"))[0] == 1


def test_two_set_ups_at_once_make_one_environment(checkout: Path) -> None:
    log = fake_uv(checkout)

    both = [setup_py(checkout, "project") for _ in range(2)]
    ends = [finished(process) for process in both]

    assert [code for code, _ in ends] == [0, 0]
    assert (calls(log, "venv"), calls(log, "pip sync")) == (1, 1)


def test_a_failed_installation_is_reported_and_tried_again_the_next_time(checkout: Path) -> None:
    log = fake_uv(checkout)

    failed = finished(setup_py(checkout, "project", FAKE_UV_EXIT="1"))
    again = finished(setup_py(checkout, "project"))

    assert failed[0] == 2
    assert "could not be" in failed[1]
    assert again[0] == 0
    assert calls(log, "pip sync") == 1


def test_the_command_line_is_made_with_the_environment_and_local_stays_off_its_path(checkout: Path) -> None:
    fake_uv(checkout)

    finished(setup_py(checkout, "project"))

    packages = checkout / ".venv" / "lib" / "python3.13" / "site-packages"
    assert (packages / "outcry.pth").read_text().splitlines() == [str(checkout / "layers" / "core")]
    assert os.access(checkout / ".venv" / "bin" / "outcry", os.X_OK)


def test_an_unknown_environment_is_refused_with_those_that_there_are(checkout: Path) -> None:
    code, said = finished(setup_py(checkout, "everything"))

    assert code == 2
    assert "project, ministack, sam, build, runtime, checkov, audit and uv" in said


def bootstrap(checkout: Path, python: Path, modules: Mapping[str, bool]) -> tuple[int, str]:
    """Runs the making of uv under a Python that has these modules."""
    script = (
        "import importlib.util, runpy, sys\n"
        f"modules = {dict(modules)!r}\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: modules.get(name, real(name, *rest))\n"
        f"sys.executable = {str(python)!r}\n"
        "sys.argv = ['setup.py', 'uv']\n"
        "runpy.run_path('tools/setup.py', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


# A Python whose venv module fails, as on a system that packages it apart; its pip only notes what it is told to do.
WITHOUT_VENV = """#!/bin/sh
case "$*" in
*"-m venv"*) echo "ensurepip is not available" >&2; exit 1 ;;
*"-m pip"*)
    echo "$*" > pip.log
    for target; do :; done
    mkdir -p "$target/bin" && touch "$target/bin/uv" ;;
esac
"""


def test_uv_comes_by_pip_alone_where_venv_does_not_work(checkout: Path, tmp_path: Path) -> None:
    python = program(tmp_path / "python", WITHOUT_VENV)

    code, said = bootstrap(checkout, python, {"pip": True})

    assert code == 0, said
    assert (checkout / ".tools" / "uv" / "bin" / "uv").exists()
    assert "--require-hashes" in (checkout / "pip.log").read_text()


def test_the_uv_of_the_machine_serves_where_neither_works(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = program(tmp_path / "python", WITHOUT_VENV)
    machines = program(tmp_path / "machine" / "uv", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", f"{machines.parent}:/usr/bin:/bin")

    code, said = bootstrap(checkout, python, {"pip": False})

    assert code == 0
    assert f"using {machines}" in said


def test_where_nothing_works_the_missing_package_is_named(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = program(tmp_path / "python", WITHOUT_VENV)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    code, said = bootstrap(checkout, python, {"pip": False})

    assert code == 2
    assert "has neither a working venv nor pip" in said
    assert "install" in said
    assert not (checkout / ".tools" / "uv").exists()


def test_help_is_the_default_and_lists_every_target_that_a_person_types(run: Run) -> None:
    said = run("make")

    listed = {line.split()[1] for line in said.stdout.splitlines() if line.startswith("  make ")}
    assert said.returncode == 0
    assert {
        "help",
        "demo",
        "test",
        "check",
        "bench",
        "build",
        "runtime",
        "audit",
        "lock",
        "clean",
        "outcry",
    } <= listed
