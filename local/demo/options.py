"""The demo's arguments."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.demo.inputs import SAMPLES
from local.dispatcher.sabotage import KINDS


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked to do."""

    posts: Path
    prices: Path
    desk: Path
    as_json: bool
    deliver_twice: bool
    posts_twice: bool
    sabotage: str | None
    hyperliquid_port: int
    x_port: int
    keep: Path | None


def read_options(arguments: Sequence[str]) -> Options:
    """Parse the arguments; argparse explains what is wrong and exits with 2."""
    parser = argparse.ArgumentParser(
        prog="make demo ARGS=…",
        description="A desk at work on this machine: posts come in, calls are read, positions are opened and protected.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--posts", type=Path, default=SAMPLES / "posts.jsonl", help="JSONL: id, author_username, …"
    )
    parser.add_argument(
        "--prices", type=Path, default=SAMPLES / "prices.jsonl", help="JSONL: at, market, mark"
    )
    parser.add_argument("--desk", type=Path, default=SAMPLES / "desk.yaml", help="agents, authors, accounts")
    parser.add_argument(
        "--json", dest="as_json", action="store_true", help="print one JSON object as the last line"
    )
    parser.add_argument("--deliver-twice", action="store_true", help="every message is delivered twice")
    parser.add_argument("--posts-twice", action="store_true", help="every post is served twice, or edited")
    parser.add_argument(
        "--break",
        dest="sabotage",
        choices=KINDS,
        help="break something on purpose, to see the audit notice: no stops, a doubled entry, a lost fill",
    )
    parser.add_argument("--hyperliquid-port", type=_port, default=0, help="0, the default, takes a free one")
    parser.add_argument("--x-port", type=_port, default=0, help="0, the default, takes a free one")
    parser.add_argument("--keep", type=Path, help="a directory to leave the logs and the venue's journal in")
    found = parser.parse_args(arguments)
    return Options(**vars(found))


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write a number from 0 to 65535")
    return int(text)
