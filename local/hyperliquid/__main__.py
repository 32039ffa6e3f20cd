"""`python -m local.hyperliquid`: runs the venue until SIGTERM or SIGINT.

Promises: prints one line, {"url": ...}, when it answers; a bad price or config file is one message on stderr
and exit code 2 before anything listens.
"""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from pydantic import ValidationError

from local.hyperliquid.clockwork import PriceFileError, read_prices
from local.hyperliquid.config import load_config
from local.hyperliquid.journal import Journal
from local.hyperliquid.server import HyperliquidServer
from outcry.runtime.clock import Clock, ServedClock, SystemClock


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.hyperliquid", description="A local Hyperliquid venue."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--clock-file", type=Path, help="served clock; without it the machine's own time")
    parser.add_argument("--journal", type=Path, help="JSONL file to append events to")
    parser.add_argument("--prices", type=Path, help="JSONL file of marks")
    parser.add_argument("--config", type=Path, help="JSON file of changes to the default venue")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = _arguments(argv)
    try:
        config = load_config(options.config)
        names = [market.name for market in config.markets]
        prices = list(read_prices(options.prices, names)) if options.prices else []
        clock: Clock = ServedClock(options.clock_file) if options.clock_file else SystemClock()
        server = HyperliquidServer(
            clock, port=options.port, config=config, journal=Journal(options.journal), prices=prices
        )
    except (PriceFileError, ValidationError, OSError, ValueError) as fault:
        print(f"hyperliquid: {fault}", file=sys.stderr)
        return 2
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with server:
        print(json.dumps({"url": server.url}), flush=True)
        stopped.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
