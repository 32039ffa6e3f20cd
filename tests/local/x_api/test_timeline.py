"""A posts file: read whole, or refused with file, line and fix."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.x_api.timeline import TimelineError, load, read_post

_GOOD: dict[str, Any] = {
    "id": "1859000000000000001",
    "author_username": "ann",
    "author_id": "77",
    "created_at": "2026-01-05T12:00:00+01:00",
    "text": "LONG BTC 60k",
}


def _write(path: Path, *lines: object) -> Path:
    file = path / "posts.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return file


def test_a_good_file_is_read_with_every_field_of_x_and_blank_lines_passed_over(tmp_path: Path) -> None:
    rich = {**_GOOD, "id": "5", "lang": "en", "referenced_tweets": [{"type": "quoted", "id": "3"}]}
    edited = {**_GOOD, "id": "9", "edit_history_tweet_ids": ["5", "9"], "note_tweet": {"text": "all of it"}}

    posts = load(_write(tmp_path, _GOOD, "", rich, edited))

    assert [post.post_id for post in posts] == [1859000000000000001, 5, 9]
    assert posts[0].created_at.isoformat() == "2026-01-05T11:00:00+00:00"
    assert (posts[1].fields["lang"], posts[1].refers_to("quoted"), posts[1].refers_to("replied_to")) == (
        "en",
        True,
        False,
    )
    assert (posts[2].edit_history, posts[2].text, posts[0].text) == ((5, 9), "all of it", "LONG BTC 60k")


def test_a_line_that_is_there_twice_is_served_twice(tmp_path: Path) -> None:
    assert len(load(_write(tmp_path, _GOOD, _GOOD))) == 2


def test_an_empty_file_is_an_empty_time_line(tmp_path: Path) -> None:
    assert load(_write(tmp_path, "")) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "{",
            "not JSON (Expecting property name enclosed in double quotes, column 2): write one JSON",
        ),
        ("[]", "not a JSON object: write one object a line"),
        ("[" * 100_000, "nested too deeply"),
        ({**_GOOD, "id": 5}, 'id = 5 cannot be used: write digits in quotes, like "1859000000000000001"'),
        ({**_GOOD, "id": "0"}, 'id = "0" cannot be used'),
        ({**_GOOD, "id": "9223372036854775808"}, "id = "),
        ({**_GOOD, "author_id": "ann"}, 'author_id = "ann" cannot be used: write digits in quotes'),
        ({**_GOOD, "author_username": "@ann"}, 'author_username = "@ann" cannot be used: write a handle'),
        (
            {**_GOOD, "created_at": "2026-01-05T12:00:00"},
            'created_at = "2026-01-05T12:00:00" cannot be used: write a time with',
        ),
        ({**_GOOD, "created_at": "soon"}, "write a time with its zone, like 2026-11-22T09:30:00Z"),
        ({**_GOOD, "created_at": "9999-12-31T23:00:00-12:00"}, "created_at = "),
        ({**_GOOD, "text": None}, "text = null cannot be used: write the post's words as text"),
        (
            {key: value for key, value in _GOOD.items() if key != "text"},
            "text is missing: write the post's words",
        ),
        ({**_GOOD, "text": "half \ud83d"}, "half a surrogate pair"),
        ({**_GOOD, "edit_history_tweet_ids": ["9", "5"]}, "edit_history_tweet_ids = "),
        ({**_GOOD, "edit_history_tweet_ids": ["5"]}, "in rising order, the post's own among them"),
        ({**_GOOD, "edit_history_tweet_ids": "5"}, "edit_history_tweet_ids = "),
        ({**_GOOD, "referenced_tweets": [{"type": "copied", "id": "5"}]}, "referenced_tweets = "),
        ({**_GOOD, "referenced_tweets": {}}, "referenced_tweets = {} cannot be used"),
        ({**_GOOD, "note_tweet": "all of it"}, 'write {"text": "the whole text"}'),
        ({**_GOOD, "note_tweet": None}, "note_tweet = null cannot be used"),
    ],
)
def test_a_bad_line_is_named_with_file_line_and_fix(tmp_path: Path, line: object, problem: str) -> None:
    file = _write(tmp_path, {**_GOOD, "id": "3"}, line, {**_GOOD, "id": "4"})

    with pytest.raises(TimelineError) as raised:
        load(file)

    assert len(raised.value.problems) == 1
    assert str(raised.value).startswith(f"{file}:2: ")
    assert problem in str(raised.value)
    assert len(str(raised.value)) < 400


def test_all_problems_are_told_at_once_but_not_without_end(tmp_path: Path) -> None:
    file = _write(tmp_path, {**_GOOD, "id": 1, "text": 2}, *["x"] * 30)

    with pytest.raises(TimelineError) as raised:
        load(file)

    assert len(raised.value.problems) == 32
    assert str(raised.value).endswith("… and 12 more")


def test_one_id_for_two_different_posts_names_both_lines(tmp_path: Path) -> None:
    file = _write(tmp_path, _GOOD, "", {**_GOOD, "text": "SHORT BTC"})

    with pytest.raises(
        TimelineError, match=r":3: id 1859000000000000001 is also on line 1 with other content: give"
    ):
        load(file)


def test_a_file_that_is_not_there_or_not_text_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(TimelineError, match=r"none.jsonl: cannot be read \(No such file or directory\)"):
        load(tmp_path / "none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"text": "caf\xe9"}')
    with pytest.raises(TimelineError, match=r"latin.jsonl:1: not UTF-8 \(byte 14\): save the file as UTF-8"):
        load(tmp_path / "latin.jsonl")


def test_a_single_post_is_validated_alike() -> None:
    with pytest.raises(TimelineError, match="not a JSON object"):
        read_post("LONG BTC")
    assert read_post(_GOOD).username == "ann"
