"""What the demo replays: posts, prices and a desk, all checked before anything is started.

Promises: a file that cannot be used is one InputProblem that names file, line and fix; nothing is started
for it. The market feed is never silent: where the price file leaves a market alone, that one moves by a tick
every ten seconds, as some market of a real venue always does.
"""

import itertools
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from local.hyperliquid.clockwork import PriceEvent, PriceFileError, read_prices
from local.hyperliquid.config import VenueConfig, load_config
from local.x_api.timeline import TimelineError, TimelinePost, users
from local.x_api.timeline import load as load_posts
from outcry.agents.desk import parse_desk
from outcry.agents.desk_problem import DeskError
from outcry.agents.model import Desk
from outcry.runtime.clock import from_milliseconds

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
LEAD = timedelta(seconds=90)  # the functions are at work this long before the first line
TAIL = timedelta(seconds=120)  # and this long after the last one, so that what it set off comes to its end
_PRICE_LINE = (
    'write one object a line, in order of time: {"at": "…T14:00:00Z", "market": "BTC", "mark": "60000"}'
)
_MOST_FAULTS = 20
_MOST_NAMED = 10
_PULSE_EVERY = timedelta(seconds=10)
_PULSE_FRAC = Decimal("0.0005")


class InputProblem(Exception):
    """Something that was given cannot be used. The message is for a person: where, what, and the fix."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything to replay."""

    posts_file: Path
    posts: tuple[TimelinePost, ...]
    prices: tuple[PriceEvent, ...]
    desk: Desk
    venue: VenueConfig

    @property
    def first_at(self) -> datetime:
        """When the time line begins: its first post or price."""
        return min(
            [post.created_at for post in self.posts] + [from_milliseconds(p.at_ms) for p in self.prices]
        )

    @property
    def last_at(self) -> datetime:
        """When it ends: its last post or price."""
        return max(
            [post.created_at for post in self.posts] + [from_milliseconds(p.at_ms) for p in self.prices]
        )

    @property
    def not_followed(self) -> tuple[TimelinePost, ...]:
        """The posts that no agent of the desk hears."""
        active = {agent.agent_id for agent in self.desk.agents if agent.is_active}
        heard = {follow.author_id for follow in self.desk.follows if follow.agent_id in active}
        return tuple(post for post in self.posts if post.author_id not in heard)


def read_inputs(posts: Path, prices: Path, desk: Path) -> Inputs:
    """Read and check all three files. Raises InputProblem."""
    venue = load_config(None)
    inputs = Inputs(
        posts_file=posts,
        posts=tuple(_posts(posts)),
        prices=tuple(_prices(prices, venue)),
        desk=_desk(desk),
        venue=venue,
    )
    if len(inputs.not_followed) == len(inputs.posts):
        raise InputProblem(
            f"{posts}: {not_followed_line(inputs)}, and there are no others: add them to the authors and follows of "
            f"{desk}, or write the author_id that it names"
        )
    return inputs


def not_followed_line(inputs: Inputs) -> str | None:
    """How many posts nobody hears, and whose they are; None where there are none."""
    posts = inputs.not_followed
    if not posts:
        return None
    authors = [f"@{name} ({author})" for author, name in sorted(users(posts).items())]
    more = f" and {len(authors) - _MOST_NAMED} more" if len(authors) > _MOST_NAMED else ""
    number = len({post.edit_history[0] for post in posts})
    return (
        f"{counted(number, 'post')} {'is' if number == 1 else 'are'} by authors that the desk does not follow: "
        f"{', '.join(authors[:_MOST_NAMED])}{more}"
    )


def counted(number: int, noun: str) -> str:
    """The number and the noun, in the plural where it needs it."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _posts(path: Path) -> list[TimelinePost]:
    try:
        found = load_posts(path)
    except TimelineError as error:
        raise InputProblem(str(error)) from None
    if not found:
        raise InputProblem(f"{path}: there is no post in it: write one JSON object a line")
    return found


def _prices(path: Path, venue: VenueConfig) -> list[PriceEvent]:
    names = [market.name for market in venue.markets if not market.delisted]
    try:
        found = list(read_prices(path, names))
    except PriceFileError:
        raise InputProblem("\n".join(_price_faults(path, names))) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputProblem(
            f"{path}: cannot be read ({reason}): name a file of marks, one JSON object a line"
        ) from None
    if not found:
        raise InputProblem(
            f'{path}: there is no price in it: write {{"at": …, "market": …, "mark": …}} a line'
        )
    return found


def _price_faults(path: Path, names: list[str]) -> list[str]:
    """Every line that cannot be used: the reader stops at the first, so it is asked again without that one."""
    lines = path.read_text(encoding="utf-8").split("\n")
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "prices.jsonl"
        while True:
            copy.write_text("\n".join(lines), encoding="utf-8")
            try:
                list(read_prices(copy, names))
                return faults
            except PriceFileError as error:
                number, _, what = str(error).removeprefix(f"{copy}:").partition(": ")
            if len(faults) == _MOST_FAULTS:
                return [*faults, "… and more"]
            lines[int(number) - 1] = ""
            fix = f"the local venue lists {', '.join(names)}" if "unknown market" in what else _PRICE_LINE
            faults.append(f"{path}:{number}: {what.removeprefix(': ')}: {fix}")


def _desk(path: Path) -> Desk:
    try:
        desk = parse_desk(path.read_text(encoding="utf-8"), str(path))
    except DeskError as error:
        raise InputProblem(str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputProblem(f"{path}: cannot be read ({reason}): name a desk file") from None
    for account in desk.accounts:
        if account.network not in {"local", "paper"}:
            raise InputProblem(
                f"{path}: account {account.account_id} is on {account.network}: the demo trades on local and paper alone"
            )
    return desk


# ─── what the servers are given ───────────────────────────────────────────────────────────────────────────────


def write_venue_files(inputs: Inputs, until: datetime, config: Path, prices: Path) -> None:
    """The venue's changes (each market starts at its first mark) and its price path, with the pulse merged
    in.
    """
    starts: dict[str, str] = {}
    for event in inputs.prices:
        starts.setdefault(event.market, str(event.mark))
    changes = {"markets": {name: {"initial_mark": mark} for name, mark in starts.items()}}
    config.write_text(json.dumps(changes), encoding="utf-8")
    events = sorted([*inputs.prices, *_pulse(inputs, set(starts), until)], key=lambda event: event.at_ms)
    with prices.open("w", encoding="utf-8") as file:
        file.writelines(f"{_price_line(event)}\n" for event in events)


def _pulse(inputs: Inputs, spoken_for: set[str], until: datetime) -> Iterable[PriceEvent]:
    quiet = [m for m in inputs.venue.markets if m.name not in spoken_for and not m.delisted and m.levels > 0]
    if not quiet:
        return
    market = quiet[-1]
    marks = itertools.cycle((market.initial_mark * (1 + _PULSE_FRAC), market.initial_mark))
    at = inputs.first_at - LEAD
    epoch = from_milliseconds(0)
    while at < until:
        yield PriceEvent((at - epoch) // timedelta(milliseconds=1), market.name, next(marks))
        at += _PULSE_EVERY


def _price_line(event: PriceEvent) -> str:
    line = {"at": from_milliseconds(event.at_ms).isoformat(), "market": event.market, "mark": str(event.mark)}
    if event.oracle is not None:
        line["oracle"] = str(event.oracle)
    return json.dumps(line)


def write_posts_twice(inputs: Inputs, path: Path) -> None:
    """Each post twice: one line again word for word, the next as an edited version under a new id, in
    turn.
    """
    lines = [line for line in inputs.posts_file.read_text(encoding="utf-8").splitlines() if line.strip()]
    taken = {post_id for post in inputs.posts for post_id in post.edit_history}
    written: list[str] = []
    for index, line in enumerate(lines):
        written.append(line)
        raw = json.loads(line)
        again = int(raw["id"]) + 1
        if index % 2 == 0 or "edit_history_tweet_ids" in raw or again in taken:
            written.append(line)
            continue
        taken.add(again)
        edited_at = datetime.fromisoformat(raw["created_at"]) + timedelta(seconds=40)
        history = [str(raw["id"]), str(again)]
        edited = {
            **raw,
            "id": str(again),
            "created_at": edited_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "edit_history_tweet_ids": history,
        }
        written.append(json.dumps(edited, ensure_ascii=False))
    path.write_text("\n".join(written) + "\n", encoding="utf-8")
