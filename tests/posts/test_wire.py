"""Reading X API v2 post objects: what is accepted, what is malformed, and that neighbours do not suffer."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.posts.model import Kind
from outcry.posts.wire import MalformedPost, id_of, parse_post, parse_posts

_RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data" / "x_api_recorded"


def _raw(**fields: Any) -> dict[str, Any]:
    return {
        "id": "1859000000000000002",
        "author_id": "77",
        "created_at": "2026-01-05T11:59:00.000Z",
        "text": "LONG BTC 60k",
        "edit_history_tweet_ids": ["1859000000000000002"],
        **fields,
    }


def test_a_plain_post_is_read_with_exact_ids_and_an_aware_time() -> None:
    post = parse_post(_raw(), {77: "ann"})

    assert (post.post_id, post.edit_id, post.author_id) == (1859000000000000002, 1859000000000000002, 77)
    assert (post.username, post.text, post.kind) == ("ann", "LONG BTC 60k", Kind.ORIGINAL)
    assert post.created_at.isoformat() == "2026-01-05T11:59:00+00:00"
    assert post.is_paid_partnership is False
    assert post.raw == _raw()


def test_the_author_of_whom_no_label_is_known_has_none() -> None:
    assert parse_post(_raw()).username is None


def test_the_note_goes_before_the_cut_text() -> None:
    post = parse_post(
        _raw(text="LONG BTC…", note_tweet={"text": "LONG BTC above 60k &amp; ETH", "entities": {}})
    )

    assert post.text == "LONG BTC above 60k & ETH"


def test_an_edited_version_keeps_the_first_identity() -> None:
    post = parse_post(_raw(id="9", edit_history_tweet_ids=["5", "7", "9"]))

    assert (post.post_id, post.edit_id) == (5, 9)


@pytest.mark.parametrize(
    ("kind_of_reference", "kind"),
    [("retweeted", Kind.REPOST), ("quoted", Kind.QUOTE), ("replied_to", Kind.REPLY)],
)
def test_references_give_the_kind(kind_of_reference: str, kind: Kind) -> None:
    assert parse_post(_raw(referenced_tweets=[{"type": kind_of_reference, "id": "3"}])).kind is kind


@pytest.mark.parametrize(
    ("disclosed", "is_paid"),
    [(True, True), ({"brand": "x"}, True), ({}, True), (False, False), (None, False)],
)
def test_whatever_discloses_a_partnership_counts(disclosed: object, is_paid: bool) -> None:
    assert parse_post(_raw(paid_partnership=disclosed)).is_paid_partnership is is_paid


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", 1859000000000000002),
        ("id", "0"),
        ("id", "012"),
        ("id", "-1"),
        ("id", "1e3"),
        ("id", "\u0661"),
        ("id", "9223372036854775808"),
        ("id", "1" * 5000),
        ("author_id", None),
        ("created_at", "2026-01-05T11:59:00"),
        ("created_at", "yesterday"),
        ("created_at", 1767614340),
        ("created_at", "0001-01-01T00:00:00+14:00"),
        ("created_at", "9999-12-31T23:59:59-14:00"),
        ("text", None),
        ("text", 5),
        ("note_tweet", {"txt": "LONG BTC"}),
        ("edit_history_tweet_ids", "1859000000000000002"),
        ("referenced_tweets", [{"type": "remixed", "id": "3"}]),
        ("paid_partnership", "no"),
    ],
)
def test_what_is_not_as_documented_is_malformed_and_names_its_field(field: str, value: object) -> None:
    with pytest.raises(MalformedPost, match=field):
        parse_post(_raw(**{field: value}))


@pytest.mark.parametrize("text", ["nul \x00", "half \ud83d", "\udc00 half"])
@pytest.mark.parametrize("place", ["text", "elsewhere", "key", "list"])
def test_what_postgres_cannot_hold_is_malformed_wherever_it_hides(text: str, place: str) -> None:
    hidden: dict[str, dict[str, Any]] = {
        "text": {"text": text},
        "elsewhere": {"entities": {"urls": [{"title": text}]}},
        "key": {"entities": {text: 1}},
        "list": {"labels": ["fine", text]},
    }

    with pytest.raises(MalformedPost, match="surrogate"):
        parse_post(_raw(**hidden[place]))


def test_a_number_that_is_not_finite_is_malformed() -> None:
    with pytest.raises(MalformedPost):
        parse_post(_raw(public_metrics={"score": float("nan")}))
    assert parse_post(_raw(public_metrics={"score": 0.5, "likes": 3})).edit_id == 1859000000000000002


@pytest.mark.parametrize("raw", [None, 5, "text", [], [{}]])
def test_what_is_no_object_is_malformed(raw: object) -> None:
    with pytest.raises(MalformedPost, match="not an object"):
        parse_post(raw)
    assert id_of(raw) is None


def test_the_message_of_a_malformed_post_does_not_repeat_its_words() -> None:
    with pytest.raises(MalformedPost) as raised:
        parse_post(_raw(created_at="secret words", author_id={"secret": "words"}))

    assert "secret" not in str(raised.value)


def test_a_malformed_object_is_kept_for_the_record_and_does_not_lose_its_neighbours() -> None:
    broken = _raw(id="5", text=None)

    posts, malformed = parse_posts([_raw(id="3"), broken, None, _raw(id="7")])

    assert [post.edit_id for post in posts] == [3, 7]
    assert [(item.post_id, json.loads(item.raw)) for item in malformed] == [(5, broken), (None, None)]
    assert malformed[0].error.startswith("text")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(_JSON, st.sampled_from([*_raw(), "note_tweet", "referenced_tweets", "paid_partnership", "other"]))
def test_whatever_a_field_holds_it_is_read_or_malformed(value: object, field: str) -> None:
    good = _raw(id="3", edit_history_tweet_ids=["3"])

    posts, malformed = parse_posts([_raw(**{field: value}), good, value])

    assert good["id"] in {str(post.edit_id) for post in posts}
    assert len(posts) + len(malformed) == 3


@pytest.mark.parametrize(
    "name", ["search_recent_tweets", "search_all_tweets", "list_tweets", "users_tweets", "tweets"]
)
def test_f52_recorded_answers_parse_and_nothing_is_invented_for_what_was_not_asked(name: str) -> None:
    if not _RECORDED.is_dir():
        pytest.skip("no recorded answers beside this checkout")
    objects = [
        raw
        for recording in json.loads((_RECORDED / f"{name}.json").read_text())
        for raw in recording["body"]["data"]
    ]

    # these were recorded without author_id and created_at: they are malformed as they are …
    posts, malformed = parse_posts(objects)
    assert (posts, len(malformed)) == ([], len(objects))
    assert all("author_id" in item.error and "created_at" in item.error for item in malformed)

    # … and complete with what our own requests ask for
    asked = [{**raw, "author_id": "12", "created_at": "2022-10-07T22:58:12.000Z"} for raw in objects]
    posts, malformed = parse_posts(asked)
    assert malformed == []
    assert [str(post.edit_id) for post in posts] == [raw["id"] for raw in objects]
    assert all(
        (post.kind is Kind.REPOST) == raw["text"].startswith("RT @")
        for post, raw in zip(posts, objects, strict=True)
    )
