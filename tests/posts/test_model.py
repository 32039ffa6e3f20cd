"""Identity, kind and text of posts."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.posts.model import Kind, Post, as_typed, first_id, kind_of, latest_versions

_POST = Post(
    post_id=1,
    edit_id=1,
    author_id=7,
    username="ann",
    text="long BTC",
    kind=Kind.ORIGINAL,
    is_paid_partnership=False,
    created_at=datetime(2026, 1, 5, tzinfo=UTC),
    raw={},
)


@pytest.mark.parametrize(
    ("references", "text", "kind"),
    [
        ([], "long BTC", Kind.ORIGINAL),
        (["quoted"], "long BTC", Kind.QUOTE),
        (["replied_to"], "long BTC", Kind.REPLY),
        (["quoted", "replied_to"], "long BTC", Kind.REPLY),
        (["retweeted"], "RT @bob: long BTC", Kind.REPOST),
        (["quoted", "retweeted"], "long BTC", Kind.REPOST),
        ([], "RT @bob: long BTC", Kind.REPOST),
        ([], "not RT @bob: long BTC", Kind.ORIGINAL),
        ([], "RT if you are long BTC", Kind.ORIGINAL),
    ],
)
def test_the_kind_says_whose_words_a_post_carries(references: list[str], text: str, kind: Kind) -> None:
    assert kind_of(references, text) is kind


@given(st.lists(st.integers(1, 2**63 - 1), min_size=1, unique=True))
def test_every_version_of_a_post_has_the_identity_of_the_first(versions: list[int]) -> None:
    history = sorted(versions)

    identities = {first_id(version, history[: index + 1]) for index, version in enumerate(history)}

    assert identities == {history[0]}


def test_a_post_without_history_is_its_own_first_version() -> None:
    assert first_id(42, []) == 42


@given(st.text())
def test_text_is_given_back_as_it_was_typed(text: str) -> None:
    delivered = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    assert as_typed(delivered) == text


def test_only_what_x_escapes_is_unescaped() -> None:
    assert as_typed("5 &lt; 6 &amp;amp; &euro; &#36;BTC") == "5 < 6 &amp; &euro; &#36;BTC"


def test_of_several_versions_the_newest_is_kept_whatever_their_order() -> None:
    first, edited = _POST, replace(_POST, edit_id=9, text="short BTC")
    other = replace(_POST, post_id=5, edit_id=5)

    assert latest_versions([other, first, edited]) == [edited, other]
    assert latest_versions([edited, first, other]) == [edited, other]
    assert latest_versions([first, first]) == [first]
