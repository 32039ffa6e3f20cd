"""The local X as a process of its own: `python -m local.x_api --posts posts.jsonl`.

Prints one JSON line with its URL when it is ready, and stops on SIGTERM or an interrupt. A posts file that
cannot be served, a busy port or a missing clock file is one message and exit code 2.
"""

import argparse
import json
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path

from local.x_api.server import DEFAULT_BEARER, XServer
from local.x_api.timeline import TimelineError, load
from outcry.runtime.clock import clock_from
from outcry.runtime.errors import ConfigurationError


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; the exit code."""
    options = _options(arguments)
    try:
        clock = clock_from("local", options.clock_file)
        posts = load(options.posts) if options.posts else []
        server = XServer(
            clock,
            posts,
            port=options.port,
            bearer=options.bearer,
            index_lag=timedelta(seconds=options.index_lag),
        )
    except (TimelineError, ConfigurationError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        where = f"--clock-file {options.clock_file}" if error.filename else f"--port {options.port}"
        print(f"{where}: {error.strerror}: name another", file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with server:
        print(json.dumps({"url": server.url}), flush=True)
        stop.wait()
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.x_api", description="Serve a time line as X API v2 would."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument(
        "--posts", type=Path, help="JSONL file of posts; without it the time line starts empty"
    )
    parser.add_argument("--clock-file", help="the served clock of this run; without it, the machine's clock")
    parser.add_argument("--bearer", default=DEFAULT_BEARER, help="the token that clients must send")
    parser.add_argument(
        "--index-lag", type=float, default=0.0, help="seconds until search sees a post; X has 10 to 30"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
