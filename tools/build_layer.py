"""Fills one layer: its locked packages, our own code, and certificates of databases. `sam build` runs it through layers/layer.mk.

    build_layer.py --architecture x86_64|arm64 --into DIRECTORY      in the layer's folder, with a Python 3.13 that has pip

Promises: wheels alone, each checked against the hash in its lock, for the function's processor and not for this machine's; the
same input gives the same bytes; byte code is compiled once, here, because a function's disk is read-only and would compile it
anew at every cold start. Packages that were installed before are taken from .aws-sam/layers and not installed again: only a whole
result is ever kept there, and nothing can write to it. Never puts a private key into a layer.

Our package is told what it was built with (`outcry/runtime/version.py`), so that the functions' build is named by more than it.

Imports only the standard library, and that one file of ours: it runs in the environment that has pip and nothing else.
"""

import argparse
import compileall
import hashlib
import os
import py_compile
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / ".aws-sam" / "layers"
MOST_KEPT = 12  # three layers for two processors, at this lock and the one before

# What runs on Lambda's Python 3.13 (Amazon Linux 2023, glibc 2.34). Named singly, because pip takes 2_28 for itself alone.
PLATFORMS = {
    "x86_64": ("manylinux2014_x86_64", "manylinux_2_28_x86_64"),
    "arm64": ("manylinux2014_aarch64", "manylinux_2_28_aarch64"),
}

# What no program ever reads: stubs for type checkers, sources of compiled modules, other people's tests.
UNUSED_DIRECTORIES = ("__pycache__", "tests", "SelfTest", "*-stubs")
UNUSED_FILES = ("*.pyi", "*.pyx", "*.pxd", "*.pxi", "*.c", "*.h", "py.typed")
# Of a package's own description: its version and its entry points are read by programs, its licence belongs to it.
KEPT_OF_A_DESCRIPTION = ("METADATA", "entry_points.txt", "licenses", "LICENSE*", "NOTICE*", "COPYING*")


def packages(lock: Path, architecture: str) -> Path:
    """The installed, trimmed and compiled packages of a lock; made at the first call with the same input."""
    made = KEPT / f"{architecture}-{_key(lock, architecture)}"
    if made.is_dir():
        os.utime(made)
        return made
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT, prefix=".making-") as making:
        directory = Path(making) / "packages"
        _install(lock, architecture, directory)
        _trim(directory)
        _compile(directory, Path("/opt/python"))
        for path in directory.rglob("*"):
            if path.is_file():
                path.chmod(0o555 if path.suffix == ".so" else 0o444)
        try:
            directory.rename(made)
        except OSError:
            if not made.is_dir():  # else another build was quicker, with the same bytes
                raise
    _forget_oldest()
    return made


def _key(lock: Path, architecture: str) -> str:
    """Everything that the packages depend on."""
    digest = hashlib.sha256(f"{architecture} {sys.version}".encode())
    for part in (lock, Path(__file__)):
        digest.update(part.read_bytes())
    return digest.hexdigest()[:20]


def _install(lock: Path, architecture: str, into: Path) -> None:
    command = [
        sys.executable,
        "-I",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
    ]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-compile"]
    command += ["--implementation", "cp", "--python-version", "3.13"]
    command += [option for name in PLATFORMS[architecture] for option in ("--platform", name)]
    command += ["--requirement", str(lock), "--target", str(into)]
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        sys.exit(f"the packages of {lock} could not be installed for {architecture}")


def _trim(directory: Path) -> None:
    """Take out what is never read on Lambda."""
    shutil.rmtree(directory / "bin", ignore_errors=True)
    for pattern in UNUSED_DIRECTORIES:
        for found in sorted(directory.rglob(pattern)):
            if found.is_dir():
                shutil.rmtree(found)
    for pattern in UNUSED_FILES:
        for found in directory.rglob(pattern):
            found.unlink()
    for description in directory.glob("*.dist-info"):
        for found in description.iterdir():
            if not any(found.match(pattern) for pattern in KEPT_OF_A_DESCRIPTION):
                shutil.rmtree(found) if found.is_dir() else found.unlink()


def _compile(directory: Path, deployed: Path) -> None:
    """Compile for good: the byte code is taken without a look at its source, and names the path that it has on Lambda."""
    compiled = compileall.compile_dir(
        directory,
        quiet=1,
        stripdir=str(directory),
        prependdir=str(deployed),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        sys.exit(f"{directory} could not be compiled")


def _forget_oldest() -> None:
    """Keep what was used last."""
    found = [path for path in KEPT.iterdir() if not path.name.startswith(".")]
    for old in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)[MOST_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def _link(source: str, target: str) -> None:
    """One more name for a file that is never written to: thousands of small copies are what a build would spend its time on."""
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def add_own_code(source: Path, into: Path) -> None:
    """Our package, compiled like the others."""
    shutil.copytree(source, into, ignore=shutil.ignore_patterns("__pycache__", "py.typed"))
    _compile(into, Path("/opt/python") / source.name)


def say_what_it_was_built_with(package: Path, root: Path = ROOT) -> None:
    """Give our package the digest of the functions and of all layers' locks, which are not in it."""
    version = runpy.run_path(str(root / "layers" / "core" / "outcry" / "runtime" / "version.py"))
    (package / version["BUILT_WITH"]).write_text(f"{version['surroundings'](root)}\n")


def add_certificates(source: Path, into: Path) -> list[str]:
    """The certificates that a person put there, for OUTCRY_DATABASE_CA_FILE=/opt/certificates/<name>."""
    found = sorted(source.glob("*.pem"))
    for path in found:
        text = path.read_text(errors="replace")
        if "PRIVATE KEY" in text:
            sys.exit(f"{path.name} has a private key in it: only certificates belong into a layer")
        if "-----BEGIN CERTIFICATE-----" not in text:
            sys.exit(f"{path.name} has no certificate in it: put the database's CA there, as PEM")
        into.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, into / path.name)
    return [path.name for path in found]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--architecture", choices=sorted(PLATFORMS), required=True)
    parser.add_argument("--into", type=Path, required=True)
    given = parser.parse_args(arguments)
    started = time.monotonic()
    source = Path.cwd()
    made = packages(source / "requirements.txt", given.architecture)
    shutil.copytree(made, given.into / "python", copy_function=_link, dirs_exist_ok=True)
    if (source / "outcry").is_dir():
        add_own_code(source / "outcry", given.into / "python" / "outcry")
        say_what_it_was_built_with(given.into / "python" / "outcry")
    for name in add_certificates(source / "certificates", given.into / "certificates"):
        print(f"certificate: {name}")
    print(f"layer for {given.architecture}: {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
