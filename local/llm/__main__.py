"""`python -m local.llm --port 0 [--mode answer] [--answers file.jsonl] [--slow-s 2]`: the scripted model as
a process.

Prints one JSON line with its base URL when it listens. A line of the answers file is {"text": ..., "calls":
[...]}.
"""

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

from local.llm.answers import Mode, Script
from local.llm.server import LlmServer, serve_until_interrupted


def main(arguments: list[str] | None = None) -> int:
    """Run the server; exit code 2 with one message where the arguments cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m local.llm", description="A scripted, OpenAI-compatible model."
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mode", choices=[mode.value for mode in Mode], default=Mode.ANSWER.value)
    parser.add_argument("--answers", type=Path)
    parser.add_argument("--slow-s", type=float, default=2.0)
    given = parser.parse_args(arguments)
    try:
        calls = read_answers(given.answers) if given.answers else {}
        server = LlmServer(Script(mode=Mode(given.mode), calls=calls, slow_s=given.slow_s), port=given.port)
    except (OSError, ValueError) as error:
        print(f"local.llm: {error}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(json.dumps({"base_url": server.base_url}), flush=True)
    serve_until_interrupted(server)
    return 0


def read_answers(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The scripted calls of a file. Raises ValueError that names file and line."""
    calls: dict[str, list[dict[str, Any]]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            item = json.loads(line)
            calls[item["text"]] = list(item["calls"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f'{path}:{number}: write {{"text": ..., "calls": [...]}} ({error})') from error
    return calls


if __name__ == "__main__":
    raise SystemExit(main())
