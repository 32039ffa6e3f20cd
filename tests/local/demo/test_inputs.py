"""A file that cannot be used is one message with its name, its line and the fix, before anything is
started.
"""

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.demo.inputs import (
    LEAD,
    SAMPLES,
    InputProblem,
    not_followed_line,
    read_inputs,
    write_posts_twice,
    write_venue_files,
)
from local.hyperliquid.clockwork import read_prices
from local.hyperliquid.config import load_config
from local.x_api.timeline import load

POSTS, PRICES, DESK = SAMPLES / "posts.jsonl", SAMPLES / "prices.jsonl", SAMPLES / "desk.yaml"


def changed(path: Path, tmp_path: Path, old: str, new: str, line: int | None = None) -> Path:
    """A copy of a sample with one thing changed, in one line or everywhere."""
    lines = path.read_text().splitlines()
    edited = [
        text.replace(old, new) if line in {None, number} else text for number, text in enumerate(lines, 1)
    ]
    copy = tmp_path / path.name
    copy.write_text("\n".join(edited) + "\n")
    return copy


def problem(posts: Path = POSTS, prices: Path = PRICES, desk: Path = DESK) -> str:
    with pytest.raises(InputProblem) as caught:
        read_inputs(posts, prices, desk)
    return str(caught.value)


def test_the_samples_can_be_read_and_cover_about_an_hour() -> None:
    inputs = read_inputs(POSTS, PRICES, DESK)

    assert len({post.author_id for post in inputs.posts}) == 6
    assert timedelta(minutes=55) < inputs.last_at - inputs.first_at < timedelta(minutes=95)
    assert inputs.first_at <= min(post.created_at for post in inputs.posts)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [('"id"', '"idd"', "posts.jsonl:3: id is missing"), ("{", "{{", "posts.jsonl:3: not JSON")],
)
def test_a_malformed_post_is_named_by_file_and_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in problem(posts=changed(POSTS, tmp_path, old, new, line=3))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"market": "', '"market": "NO', "prices.jsonl:5: unknown market"),
        ('"mark": "', '"mark": "-', "prices.jsonl:5: mark"),
        ("{", "", "prices.jsonl:5: Invalid JSON"),
        ('"2026', '"2025', "prices.jsonl:5: times must not fall"),
        ('Z"', '"', "prices.jsonl:5: at"),
    ],
)
def test_a_malformed_price_is_named_by_file_and_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in problem(prices=changed(PRICES, tmp_path, old, new, line=5))


def test_an_unknown_market_is_answered_with_those_that_are_known(tmp_path: Path) -> None:
    said = problem(prices=changed(PRICES, tmp_path, '"market": "', '"market": "NO', line=5))

    assert "the local venue lists BTC, ETH" in said
    assert "MATIC" not in said


def test_every_fault_of_a_price_file_is_named_at_once(tmp_path: Path) -> None:
    lines = PRICES.read_text().splitlines()
    lines[2], lines[6], lines[9] = "nonsense", lines[6].replace('"mark": "', '"mark": "-'), lines[0]
    lines[11] = lines[11].replace('"market": "', '"market": "NO')
    path = tmp_path / "prices.jsonl"
    path.write_text("\n".join(lines) + "\n")

    said = problem(prices=path).splitlines()

    assert [line.split(": ")[0] for line in said] == [f"{path}:{number}" for number in (3, 7, 10, 12)]
    assert [line.split(": ")[1].split(" ")[0] for line in said] == ["Invalid", "mark", "times", "unknown"]


def test_a_price_file_of_faults_is_not_told_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "prices.jsonl"
    path.write_text("nonsense\n" * 50)

    said = problem(prices=path).splitlines()

    assert len(said) == 21
    assert said[-1] == "… and more"


def test_posts_of_authors_that_the_desk_does_not_follow_are_named(tmp_path: Path) -> None:
    posts = changed(POSTS, tmp_path, "910000000000000006", "77")

    inputs = read_inputs(posts, PRICES, DESK)

    assert {post.author_id for post in inputs.not_followed} == {77}
    assert not_followed_line(inputs) == (
        "3 posts are by authors that the desk does not follow: @degen_dario (77)"
    )
    assert not_followed_line(read_inputs(POSTS, PRICES, DESK)) is None


def test_a_file_of_none_but_authors_that_the_desk_does_not_follow_cannot_be_used(tmp_path: Path) -> None:
    posts = changed(POSTS, tmp_path, '"9100000000000000', '"8100000000000000')

    said = problem(posts=posts)

    assert said.startswith(f"{posts}: 21 posts are by authors that the desk does not follow: @macro_marta (")
    assert said.endswith("or write the author_id that it names")


def test_a_desk_that_fails_validation_names_field_and_fix(tmp_path: Path) -> None:
    said = problem(desk=changed(DESK, tmp_path, "stop_frac: 2%", "stop_frac: 200%"))

    assert "agents[0].strategy.exits.stop_frac = '200%'" in said


@pytest.mark.parametrize("network", ["mainnet", "testnet"])
def test_f56_a_desk_for_a_real_network_is_refused(tmp_path: Path, network: str) -> None:
    on_network = changed(DESK, tmp_path, "network: local", f"network: {network}")
    own = changed(on_network, tmp_path, "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", f"0x{'ab' * 20}")

    said = problem(desk=own)

    assert f"is on {network}: the demo trades on local and paper alone" in said


@pytest.mark.parametrize("which", ["posts", "prices", "desk"])
def test_a_file_that_is_not_there_or_says_nothing_is_named(tmp_path: Path, which: str) -> None:
    empty = tmp_path / "empty"
    empty.write_text("")

    assert str(tmp_path / "missing") in problem(**{which: tmp_path / "missing"})
    assert str(empty) in problem(**{which: empty})


@pytest.mark.parametrize("which", ["posts", "prices", "desk"])
def test_a_file_that_is_not_text_is_named(tmp_path: Path, which: str) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00\xd8")

    assert str(binary) in problem(**{which: binary})


# ─── what the servers are given ───


def test_each_market_starts_at_its_first_mark_and_the_feed_is_never_silent(tmp_path: Path) -> None:
    inputs = read_inputs(POSTS, PRICES, DESK)
    config, prices = tmp_path / "venue.json", tmp_path / "all.jsonl"

    write_venue_files(inputs, inputs.last_at, config, prices)

    venue = load_config(config)
    events = list(read_prices(prices, [market.name for market in venue.markets]))
    starts = {market.name: market.initial_mark for market in venue.markets}
    spoken_for = {event.market for event in inputs.prices}
    assert all(starts[e.market] == e.mark for e in inputs.prices[: len(spoken_for)])
    assert [e for e in events if e.market in spoken_for] == list(inputs.prices)
    pulse = [e for e in events if e.market not in spoken_for]
    assert len({e.market for e in pulse}) == 1
    assert all(later.at_ms - earlier.at_ms == 10_000 for earlier, later in itertools.pairwise(pulse))
    assert all(later.mark != earlier.mark for earlier, later in itertools.pairwise(pulse))
    assert pulse[0].at_ms == int((inputs.first_at - LEAD).timestamp() * 1000)


def test_posts_twice_are_repeated_or_edited_and_none_is_lost(tmp_path: Path) -> None:
    inputs = read_inputs(POSTS, PRICES, DESK)
    path = tmp_path / "twice.jsonl"

    write_posts_twice(inputs, path)

    served = load(path)
    firsts = {post.edit_history[0] for post in served}
    edits = [post for post in served if len(post.edit_history) == 2]
    assert firsts == {post.post_id for post in inputs.posts}
    assert len(served) == 2 * len(inputs.posts)
    assert len(edits) == len(inputs.posts) // 2


def test_a_post_that_is_an_edit_already_is_only_repeated(tmp_path: Path) -> None:
    raw = {
        "id": "11",
        "author_username": "macro_marta",
        "author_id": "910000000000000001",
        "created_at": "2026-03-02T14:01:00Z",
        "text": "gm",
        "edit_history_tweet_ids": ["10", "11"],
    }
    posts = tmp_path / "posts.jsonl"
    posts.write_text(
        "\n".join(json.dumps({**raw, "id": str(i), "edit_history_tweet_ids": [str(i)]}) for i in (1, 11))
        + "\n"
    )
    inputs = read_inputs(posts, PRICES, DESK)

    write_posts_twice(inputs, tmp_path / "twice.jsonl")

    assert [post.post_id for post in load(tmp_path / "twice.jsonl")] == [1, 1, 11, 11]
    assert inputs.first_at == datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
