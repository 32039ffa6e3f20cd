"""Makes the environments that the Makefile's targets run in, from their hash-locked files.

    setup.py [--current] project|ministack|sam|build|runtime|checkov|audit|uv ...

Promises: what is asked for is complete when this returns 0; nothing is done when nothing changed; two runs at
once wait for each other; a run that was interrupted is repaired by the next. Installs wheels whose hashes are
locked, and nothing else. Never writes outside this checkout and uv's cache. With --current it changes nothing
and exits 1 if something is to be done. Exits 2 with one message if the machine lacks something.

Runs under the Python that is to be the environment's; for `uv` alone under any Python from 3.9. So it imports
only the standard library, and is written for the oldest.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
UV = TOOLS / "uv"
ENVIRONMENTS = {
    "project": (ROOT / ".venv", ROOT / "requirements-dev.txt"),
    **{
        name: (TOOLS / name, ROOT / "tools" / f"{name}.txt")
        for name in ("ministack", "sam", "build", "runtime", "checkov", "audit")
    },
}
LOCK_WAIT_S = 600.0

# A shell script, since a first line that names a Python can be too long for the kernel.
OUTCRY = (
    "#!/bin/sh\n"
    'exec "$(dirname "$0")/python" -P -c \'from outcry.cli.main import app; app(prog_name="outcry")\' "$@"\n'
)


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def fail(text: str) -> NoReturn:
    say(text)
    sys.exit(2)


def state(name: str) -> str:
    """What an environment is made of; its stamp holds the same text once it is complete."""
    _, lock = ENVIRONMENTS[name]
    digest = hashlib.sha256()
    for part in (lock, Path(__file__)):
        digest.update(part.read_bytes())
    return f"{digest.hexdigest()} {ROOT}\n"


def is_current(name: str) -> bool:
    directory, _ = ENVIRONMENTS[name]
    stamp = directory / "outcry-stamp"
    return (directory / "bin" / "python").exists() and stamp.is_file() and stamp.read_text() == state(name)


@contextmanager
def only_one() -> Iterator[None]:
    """Holds the set-up lock. It belongs to the open file, so it cannot outlive the process that took it."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "setup.lock").open("w") as lock:
        waiting_since = time.monotonic()
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    say("another set-up is running in this checkout; waiting for it")
                    told = True
                if time.monotonic() - waiting_since > LOCK_WAIT_S:
                    fail(f"another set-up has held {lock.name} for {LOCK_WAIT_S:.0f} s; end it and try again")
                time.sleep(0.2)
        yield


def run(what: str, command: list[str], environment: dict[str, str] | None = None) -> str | None:
    """Runs a command; None when it worked, else the end of what it said."""
    started = time.monotonic()
    done = subprocess.run(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode == 0:
        say(f"{what}: {time.monotonic() - started:.1f} s")
        return None
    return done.stdout.decode(errors="replace").strip()[-2000:] or f"exit code {done.returncode}"


def missing_package() -> str:
    """What to type for the package that gives this Python its venv and pip modules."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    try:
        release = Path("/etc/os-release").read_text()
    except OSError:
        release = ""
    if "debian" in release or "ubuntu" in release:
        return f"sudo apt install python{version}-venv"
    if "fedora" in release or "rhel" in release:
        return "sudo dnf install python3-pip"
    return f"install your system's packages for venv and pip of Python {version}"


def bootstrap_uv() -> Path:
    """The uv of this checkout: made with venv and pip, else with pip alone; else names what is missing."""
    binary = UV / "bin" / "uv"
    if binary.exists():
        return binary
    say("installing uv")
    pip = ["pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"]
    pip += ["--only-binary", ":all:", "--require-hashes", "--requirement", str(ROOT / "tools" / "uv.txt")]
    shutil.rmtree(UV, ignore_errors=True)
    said = run("environment of uv", [sys.executable, "-I", "-m", "venv", str(UV)])
    if said is None:
        said = run("uv", [str(UV / "bin" / "python"), "-I", "-m", *pip])
    elif importlib.util.find_spec("pip"):
        shutil.rmtree(UV, ignore_errors=True)
        said = run("uv", [sys.executable, "-I", "-m", *pip, "--target", str(UV)])
    elif installed := shutil.which("uv"):
        shutil.rmtree(UV, ignore_errors=True)
        say(f"using {installed}")
        return Path(installed)
    else:
        shutil.rmtree(UV, ignore_errors=True)
        fail(f"{sys.executable} has neither a working venv nor pip: {missing_package()}")
    if said is not None:
        shutil.rmtree(UV, ignore_errors=True)
        fail(f"uv could not be installed from the package index:\n{said}")
    return binary


def uv_environment() -> dict[str, str]:
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    environment.pop("VIRTUAL_ENV", None)
    if not os.access(os.environ.get("HOME") or "/nonexistent", os.W_OK):
        environment.setdefault("UV_CACHE_DIR", str(TOOLS / "cache"))
    return environment


def make(name: str) -> None:
    directory, lock = ENVIRONMENTS[name]
    uv = str(bootstrap_uv())
    environment = uv_environment()
    say(f"making {directory.relative_to(ROOT)} from {lock.relative_to(ROOT)}")
    python = directory / "bin" / "python"
    (directory / "outcry-stamp").unlink(missing_ok=True)
    same = f"import sys; sys.exit(sys.version_info[:3] != {sys.version_info[:3]})"
    if not python.exists() or subprocess.run([python, "-I", "-c", same], check=False).returncode != 0:
        base = getattr(sys, "_base_executable", sys.executable)
        said = run("environment", [uv, "venv", "--clear", "--python", base, str(directory)], environment)
        if said is not None:
            fail(f"{directory} could not be made:\n{said}")
    sync = [uv, "pip", "sync", "--python", str(python), "--require-hashes", "--no-build", str(lock)]
    said = run("packages", sync, environment)
    if said is not None:
        fail(f"the packages of {lock.relative_to(ROOT)} could not be installed:\n{said}")
    if name == "project":
        add_outcry(directory)
    (directory / "outcry-stamp").write_text(state(name))


def add_outcry(directory: Path) -> None:
    """Puts our own package on the environment's path, and the command line beside it."""
    packages = next((directory / "lib").glob("python3.*/site-packages"))
    (packages / "outcry.pth").write_text(f"{ROOT / 'layers' / 'core'}\n")
    script = directory / "bin" / "outcry"
    script.write_text(OUTCRY)
    script.chmod(0o755)


def main(arguments: list[str]) -> int:
    names = [name for name in arguments if name != "--current"]
    unknown = [name for name in names if name not in ENVIRONMENTS and name != "uv"]
    if unknown:
        fail(f"there is no environment {unknown[0]!r}; there are {', '.join(ENVIRONMENTS)} and uv")
    due = [name for name in names if name == "uv" or not is_current(name)]
    if "--current" in arguments:
        return 1 if due else 0
    if not due:
        return 0
    with only_one():
        for name in due:
            if name == "uv":
                bootstrap_uv()
            elif not is_current(name):  # another run may have made it while this one waited
                make(name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
