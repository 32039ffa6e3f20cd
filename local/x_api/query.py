"""X's search language, as far as a feed of followed authors needs it.

Understood: `from:`, `list:`, `is:retweet`, `is:reply`, `is:quote`, `has:cashtags`, words, "phrases", cash-
and hashtags, `-`, `OR`, parentheses; AND binds tighter than OR (docs.x.com, "Build a query"). Anything else
is refused, as X refuses it.
"""

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from local.x_api.timeline import TimelinePost

LONGEST_QUERY = 512
Matcher = Callable[[TimelinePost], bool]

_TOKEN = re.compile(r'\s*(?:(?P<mark>[()]|-(?=\S))|"(?P<phrase>[^"]*)"|(?P<word>[^\s()"]+))')
_CASHTAG = re.compile(r"\$[A-Za-z]{1,6}\b")
_CONDITIONS: dict[str, Matcher] = {
    "is:retweet": lambda post: post.refers_to("retweeted"),
    "is:reply": lambda post: post.refers_to("replied_to"),
    "is:quote": lambda post: post.refers_to("quoted"),
    "has:cashtags": lambda post: _CASHTAG.search(post.text) is not None,
}


class QueryError(ValueError):
    """A query that X would refuse."""


def compile_query(text: str, lists: Mapping[str, AbstractSet[int]]) -> Matcher:
    """The predicate that a query stands for. Raises QueryError."""
    if not text.strip():
        raise QueryError("query parameter can not be empty")
    if len(text) > LONGEST_QUERY:
        raise QueryError(f"query length ({len(text)}) exceeds the maximum of {LONGEST_QUERY}")
    parser = _Parser(_tokens(text), lists)
    matcher = parser.alternatives()
    if parser.tokens:
        raise QueryError(f"no viable alternative at '{parser.tokens[0][1]}'")
    if not parser.is_standalone:
        raise QueryError("Rules must contain at least one positive, non-stopword clause")
    return matcher


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    place = 0
    while text[place:].strip():
        found = _TOKEN.match(text, place)
        if found is None:
            raise QueryError(f"token recognition error at position {place}")
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        place = found.end()
    return tokens


class _Parser:
    """Recursive descent over tokens; `is_standalone` turns true at the first term that may stand alone."""

    def __init__(self, tokens: list[tuple[str, str]], lists: Mapping[str, AbstractSet[int]]) -> None:
        self.tokens = tokens
        self.is_standalone = False
        self._lists = lists

    def alternatives(self) -> Matcher:
        options = [self._all_of()]
        while self._next_is(("word", "OR")):
            self.tokens.pop(0)
            options.append(self._all_of())
        return lambda post: any(option(post) for option in options)

    def _all_of(self) -> Matcher:
        terms = [self._term()]
        while self.tokens and not self._next_is(("word", "OR")) and not self._next_is(("mark", ")")):
            if self._next_is(("word", "AND")):
                raise QueryError("AND is written as a space")
            terms.append(self._term())
        return lambda post: all(term(post) for term in terms)

    def _term(self) -> Matcher:
        if not self.tokens:
            raise QueryError("missing term at the end of the query")
        kind, text = self.tokens.pop(0)
        if (kind, text) == ("mark", "-"):
            standalone = self.is_standalone
            inner = self._term()
            self.is_standalone = standalone
            return lambda post: not inner(post)
        if (kind, text) == ("mark", "("):
            inner = self.alternatives()
            if not self._next_is(("mark", ")")):
                raise QueryError("missing ')'")
            self.tokens.pop(0)
            return inner
        if kind == "mark" or (kind, text) == ("word", "OR"):
            raise QueryError(f"no viable alternative at '{text}'")
        return self._leaf(kind, text)

    def _leaf(self, kind: str, text: str) -> Matcher:
        if kind == "word" and text in _CONDITIONS:
            return _CONDITIONS[text]
        self.is_standalone = True
        operator, colon, value = text.partition(":")
        if kind == "word" and colon and operator == "from" and value:
            name = value.removeprefix("@").lower()
            return lambda post: name in (post.username.lower(), str(post.author_id))
        if kind == "word" and colon and operator == "list":
            members = self._lists.get(value)
            if members is None:
                raise QueryError(f"Reference to invalid operator 'list:{value}'")
            return lambda post: post.author_id in members
        if kind == "word" and colon and operator.isalpha():
            raise QueryError(f"Reference to invalid operator '{operator}'")
        wanted = text.lower()
        return lambda post: wanted in post.text.lower()

    def _next_is(self, token: tuple[str, str]) -> bool:
        return bool(self.tokens) and self.tokens[0] == token
