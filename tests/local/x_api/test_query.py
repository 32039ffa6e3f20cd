"""X's search language."""

import pytest

from local.x_api.query import QueryError, compile_query
from local.x_api.timeline import TimelinePost, read_post


def _post(
    author_id: int = 77, username: str = "ann", text: str = "Long $BTC now", kind: str | None = None
) -> TimelinePost:
    references = {"referenced_tweets": [{"type": kind, "id": "3"}]} if kind else {}
    return read_post(
        {
            "id": "5",
            "author_id": str(author_id),
            "author_username": username,
            "created_at": "2026-01-05T12:00:00Z",
            "text": text,
            **references,
        }
    )


_LISTS = {"12": frozenset({77})}


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("from:ann", True),
        ("from:ANN", True),
        ("from:@ann", True),
        ("from:77", True),
        ("from:7", False),
        ("from:bob OR from:ann", True),
        ("(from:bob OR from:ann) -is:retweet", True),
        ("(from:bob OR from:carl) -is:retweet", False),
        ("from:bob from:ann", False),
        ("from:ann OR from:bob is:reply", True),
        ("(from:ann OR from:bob) is:reply", False),
        ("-from:ann long", False),
        ("-(from:bob OR from:carl) long", True),
        ("list:12", True),
        ("btc", True),
        ("$BTC has:cashtags", True),
        ('"long $btc"', True),
        ('"btc long"', False),
        ("-btc from:ann", False),
        ("from:ann -is:quote -is:reply", True),
    ],
)
def test_a_query_matches_as_x_says(query: str, matches: bool) -> None:
    assert compile_query(query, _LISTS)(_post()) is matches


@pytest.mark.parametrize(
    ("kind", "excluded"), [("retweeted", "is:retweet"), ("replied_to", "is:reply"), ("quoted", "is:quote")]
)
def test_kinds_can_be_left_out(kind: str, excluded: str) -> None:
    assert compile_query(f"from:ann {excluded}", {})(_post(kind=kind))
    assert not compile_query(f"from:ann -{excluded}", {})(_post(kind=kind))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "(from:ann",
        "from:ann)",
        "()",
        "OR",
        "from:ann OR",
        "OR from:ann",
        "from:ann AND from:bob",
        "list:99",
        "since:2020",
        "-is:retweet",
        "is:reply has:cashtags",
        '"unfinished',
        "from:ann - is:reply (",
        "from:" + "a" * 508,
    ],
)
def test_what_x_would_refuse_is_refused(query: str) -> None:
    with pytest.raises(QueryError):
        compile_query(query, {})


def test_512_characters_are_allowed_and_513_are_not() -> None:
    assert not compile_query("a" * 512, {})(_post())
    with pytest.raises(QueryError, match="513"):
        compile_query("a" * 513, {})
