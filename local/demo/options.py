"""The demo's arguments."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.demo.inputs import SAMPLES
from local.dispatcher.sabotage import KINDS

_EPILOG = """\
A line of the posts file has at least
  {"id": "1", "author_username": "macro_marta", "author_id": "910000000000000001",
   "created_at": "2026-03-02T14:01:10Z", "text": "LONG BTC 60k, SL 58.9k"}
ids are digits in quotes, times have their zone; any other field of an X API v2 post may stand beside them.

exit codes: 0 done; 1 the audit found something that was not broken on purpose; 2 an argument or a file cannot
be used, or a server did not start; 130 interrupted. docs/demo.md has the JSON object.
"""


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
    custody: str
    hyperliquid_port: int
    x_port: int
    keep: Path | None


def read_options(arguments: Sequence[str]) -> Options:
    """Parse the arguments; argparse explains what is wrong and exits with 2."""
    parser = argparse.ArgumentParser(
        prog="make demo ARGS=…",
        description="A desk at work on this machine: posts come in, calls are read, positions are opened and protected.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_files(parser)
    _add_behaviour(parser)
    found = parser.parse_args(arguments)
    return Options(**vars(found))


def _add_files(parser: argparse.ArgumentParser) -> None:
    for name, what in (
        ("posts.jsonl", "posts, a JSON object a line: id, author_username, author_id, created_at, text"),
        ("prices.jsonl", "marks, a JSON object a line in the order of time: at, market, mark"),
        ("desk.yaml", "authors, agents, accounts and deployments; docs/desk.schema.json describes it"),
    ):
        parser.add_argument(
            f"--{name.partition('.')[0]}",
            type=Path,
            default=SAMPLES / name,
            metavar="FILE",
            help=f"{what} (default: local/samples/{name})",
        )


def _add_behaviour(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json",
        dest="as_json",
        action="store_true",
        help="print one JSON object as the last line of stdout; everything else goes to stderr",
    )
    parser.add_argument("--deliver-twice", action="store_true", help="every message is delivered twice")
    parser.add_argument("--posts-twice", action="store_true", help="every post is served twice, or edited")
    parser.add_argument(
        "--break",
        dest="sabotage",
        choices=KINDS,
        help="break something on purpose, to see the audit notice. stop: stops are planned and never placed; "
        "dedupe: every entry is sent twice, signed anew; fill: one fill is booked twice (default: nothing)",
    )
    parser.add_argument(
        "--custody",
        choices=("envelope", "kms"),
        default="envelope",
        help="how the keys of the live accounts' signers are kept (default: envelope)",
    )
    for name in ("hyperliquid", "x"):
        parser.add_argument(
            f"--{name}-port", type=_port, default=0, metavar="PORT", help="0, the default, takes a free one"
        )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIRECTORY",
        help="leave the logs and the venue's journal there (default: they are removed)",
    )


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write a number from 0 to 65535")
    return int(text)
