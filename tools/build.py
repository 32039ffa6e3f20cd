"""Builds what is deployed, for `make build`: `sam build` of template.yaml into .aws-sam/build, and the sizes of what came out.

    build.py [--architecture x86_64|arm64|machine] [--verbose]

Promises: the same sources and locks give the same bytes; nothing of the project's own environments gets into a build, because the
only Python on its PATH is one that has nothing but pip; a function that would not fit into Lambda, with a margin, fails here and is
named. Tells nobody that a build was made.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from local.dispatcher.cloudformation import load
from tools.build_sizes import sizes
from tools.build_stamp import stamp

ROOT = Path(__file__).resolve().parent.parent
SAM = ROOT / ".tools" / "sam" / "bin" / "sam"
PYTHON = ROOT / ".tools" / "build" / "bin"
BUILD = ROOT / ".aws-sam" / "build"
NOTES = ROOT / ".aws-sam" / "sizes.json"
STAMP = ROOT / ".aws-sam" / "built.json"
ARCHITECTURES = ("x86_64", "arm64")
MACHINES = {"aarch64": "arm64", "AMD64": "x86_64"}  # other names of the same processors


def machine() -> str:
    """The architecture of this machine, by Lambda's name for it."""
    name = platform.machine()
    return MACHINES.get(name, name)


def environment(architecture: str) -> dict[str, str]:
    """What `sam build` sees: our python3.13 first on PATH, no virtual environment, no telemetry."""
    kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    return {
        **kept,
        "PATH": f"{PYTHON}{os.pathsep}{os.environ['PATH']}",
        "OUTCRY_ARCHITECTURE": architecture,
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
    }


def sam_build(architecture: str, *, verbose: bool) -> bool:
    """Run `sam build`; what it says is shown if it fails, or if that was asked for."""
    command = [str(SAM), "build", "--template", str(ROOT / "template.yaml"), "--no-cached"]
    if "Architecture" in load(ROOT / "template.yaml")["Parameters"]:
        command += ["--parameter-overrides", f"Architecture={architecture}"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(architecture),
        stdout=None if verbose else subprocess.PIPE,
        stderr=None if verbose else subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0 and done.stdout:
        print(done.stdout.decode(errors="replace").strip(), file=sys.stderr)
    return done.returncode == 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make build")
    parser.add_argument("--architecture", choices=[*ARCHITECTURES, "machine"], default="x86_64")
    parser.add_argument("--verbose", action="store_true", help="show what `sam build` says")
    given = parser.parse_args(arguments)
    architecture = machine() if given.architecture == "machine" else str(given.architecture)
    started = time.monotonic()
    sources = stamp(ROOT, architecture)  # before: what changes while it builds is not in it for sure
    STAMP.unlink(missing_ok=True)
    if not sam_build(architecture, verbose=given.verbose):
        print("build: FAILED: `sam build` did not build template.yaml", file=sys.stderr)
        return 1
    took_s = time.monotonic() - started
    sources.write(STAMP)
    measured = sizes(BUILD, NOTES)
    for line in measured.table():
        print(line)
    too_large = measured.too_large()
    for sentence in too_large:
        print(f"build: FAILED: {sentence}", file=sys.stderr)
    print(f"build: {'FAILED' if too_large else 'passed'}, {architecture}, `sam build` took {took_s:.1f} s")
    if architecture != "x86_64":
        print(f"build: deploy it with Architecture={architecture}: on another processor no function starts")
    return 1 if too_large else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
