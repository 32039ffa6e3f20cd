"""Builds what is deployed, for `make build`: `sam build` of template.yaml into .aws-sam/build, and the sizes of what came out.

    build.py [--architecture x86_64|arm64]

Promises: the same locks give the same packages; nothing of the project's own environments gets into a build, because the only
Python on the build's PATH is one that has nothing but pip; a function that would not fit into Lambda, with a margin, fails here
and is named. Tells nobody that a build was made.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAM = ROOT / ".tools" / "sam" / "bin" / "sam"
PYTHON = ROOT / ".tools" / "build" / "bin"
ARCHITECTURES = ("x86_64", "arm64")


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


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make build")
    parser.add_argument("--architecture", choices=ARCHITECTURES, default="x86_64")
    given = parser.parse_args(arguments)
    started = time.monotonic()
    command = [str(SAM), "build", "--template", str(ROOT / "template.yaml")]
    done = subprocess.run(command, cwd=ROOT, env=environment(given.architecture), check=False)
    if done.returncode != 0:
        print(f"build: FAILED: `sam build` ended with {done.returncode}", file=sys.stderr)
        return 1
    print(f"build: {given.architecture} in {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
