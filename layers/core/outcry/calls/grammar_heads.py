"""Finds the head of a clause: the trade verb or direction noun that states the author's own trade, and its
token. Pure.

Promises: a head has a side and a token; nothing in front of it negates it, asks, doubts, or gives it to
somebody else; the
times and conditions around it leave it a trade of now, or one that waits for a level that the author names.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from outcry.calls import lexicon as words
from outcry.calls.grammar_clauses import Clause
from outcry.calls.grammar_levels import Stated
from outcry.calls.grammar_roles import EXITS, ROLES, Role, lead_of
from outcry.calls.grammar_text import Kind, Lexeme
from outcry.calls.model import Action, Side
from outcry.calls.tickers import Symbol, TickerBook, is_stablecoin, needs_government

_ALWAYS_PAST = words.set_of(
    "yesterday ago earlier previously originally remember used was were had been overnight"
)
_TOPICAL = frozenset({"entire", "dip", "too", "it", "trade"})
_AFTER = words.AFTER_NOUN | words.GAP | words.TARGET_LABELS
_FUNCTION = frozenset({"of", "on", "in", "at", "from", "for", "to"})


@dataclass(frozen=True, slots=True)
class Head:
    """A trade that a clause states. Positions are in the folded text."""

    symbol: Symbol
    written: str
    side: Side
    action: Action
    start: int
    after: int
    quote_start: int
    clause_end: int
    role: Role
    is_own_voice: bool
    is_now: bool
    is_plan: bool
    is_tagged: bool
    is_capital: bool
    is_topical: bool
    trigger: Decimal | None
    flips: bool = False
    is_own_exit: bool = False

    @property
    def is_bare_sell(self) -> bool:
        """`Sell BTC`: a short to some, a spot exit to others; its levels or its owner decide."""
        return self.role is Role.BARE_SELL or (self.role is Role.SELL and not self.flips)

    def closing_part(self) -> "Head":
        """The exit that a flip implies: the opposite side, closed."""
        return replace(self, side=self.side.opposite, action=Action.CLOSE, flips=False, role=Role.CLOSE)

    def is_strong_enough(self, stated: Stated, *, has_status: bool) -> bool:
        """Whether the words carry a trade: a plan needs its level, a bare noun a level, a time, a tag or
        capitals.
        """
        has_price = bool(stated.entries) or self.trigger is not None
        if self.is_plan:
            return has_price
        if self.role is Role.NOUN:
            if has_status:
                return False
            if self.is_topical:
                return bool(stated.stops or stated.targets or stated.entries)
            if self.is_own_voice:
                return self.is_now or not stated.is_empty
            return self.is_now or self.is_tagged or self.is_capital or not stated.is_empty
        if self.role is Role.IMPERATIVE:
            return self.is_now or not stated.is_empty
        return True


def head_of(
    clause: Clause, book: TickerBook, *, topic: tuple[Lexeme, Symbol] | None, is_foreign: bool
) -> Head | None:
    """The clause's head, or None where it states no trade of the author's own."""
    if clause.is_question:
        return None
    lead = lead_of(clause)
    if lead is None:
        return None
    at, role, side, action = lead
    prefix = [piece for piece in clause.pieces[:at] if piece.kind is Kind.WORD or piece.kind is Kind.OPAQUE]
    is_own = _is_own(prefix)
    if role in EXITS:
        prefix = [piece for piece in prefix if piece.low not in words.LONG_NOUNS | words.SHORT_NOUNS]
    if not _is_open_before(clause, prefix, book, is_own=is_own, is_foreign=is_foreign):
        return None
    named = _token_after(clause, at, book)
    is_topical = False
    if named is None and role is not Role.BARE_SELL:
        named = _token_before(clause, at, book)
    if named is None:
        named, is_topical = _topic_of(clause, at, role, topic), True
    if named is None or not _is_open_after(clause, at, named[0], role, action, is_topical=is_topical):
        return None
    return _head(clause, at, role, side, action, named, is_own=is_own, is_topical=is_topical)


def _head(
    clause: Clause,
    at: int,
    role: Role,
    side: Side,
    action: Action,
    named: tuple[Lexeme, Symbol],
    *,
    is_own: bool,
    is_topical: bool,
) -> Head | None:
    token, symbol = named
    verb = clause.pieces[at]
    lows = {piece.low for piece in clause.pieces}
    before = {piece.low for piece in clause.pieces[:at]}
    is_conditional = bool({"if", "when", "once", "whenever"} & (set(clause.lead) | before)) or "if" in lows
    if is_conditional and not ((is_own or role is Role.PRESENT) and clause.numbers):
        return None
    in_clause = clause.pieces[0].start <= token.start < clause.pieces[-1].end
    nouns = [
        p.end
        for p in clause.pieces
        if p.low in words.LONG_NOUNS | words.SHORT_NOUNS and p.start >= verb.start
    ]
    after = max([verb.end, *(nouns[:1]), token.end if in_clause else 0])
    return Head(
        symbol=symbol,
        written=token.text.lstrip("$#"),
        side=side,
        action=action,
        start=min(verb.start, token.start) if in_clause else verb.start,
        after=after,
        quote_start=min(clause.pieces[0].start, token.start),
        clause_end=clause.pieces[-1].end,
        role=role,
        is_own_voice=is_own or role is Role.PRESENT,
        is_now=bool({"here", "now", "market", "cmp"} & lows),
        is_plan=is_conditional or bool((words.PLAN - {"limit", "bid", "set"}) & before),
        is_tagged=token.kind is not Kind.WORD,
        is_capital=verb.text.isupper(),
        is_topical=is_topical,
        trigger=clause.numbers[0] if is_conditional else None,
        flips=verb.low in words.FLIP_VERBS and action is Action.OPEN,
        is_own_exit=role is Role.SELL or bool({"my", "all", "your", "entire"} & lows),
    )


def listed_with(clause: Clause, book: TickerBook, first: Head) -> Head | None:
    """`Longing BTC, ETH and SOL`: a clause that is nothing but a further token shares the head before it."""
    allowed = words.GAP | {"here", "now", "@"}
    named: tuple[Lexeme, Symbol] | None = None
    for piece in clause.pieces:
        if piece.kind is Kind.WORD and piece.low in allowed and not piece.text.isupper():
            continue
        symbol = _mention(piece, book, is_governed=False)
        if symbol is not None and named is None:
            named = (piece, symbol)
        elif piece.kind not in {Kind.NUMBER, Kind.PUNCTUATION, Kind.TIMES}:
            return None
    if named is None:
        return None
    token, symbol = named
    return replace(
        first,
        symbol=symbol,
        written=token.text.lstrip("$#"),
        start=token.start,
        after=token.end,
        clause_end=clause.pieces[-1].end,
    )


def _is_own(prefix: Sequence[Lexeme]) -> bool:
    """Whether the author speaks: `I'm just` before the verb, with nothing but adverbs between."""
    for piece in reversed(prefix):
        if piece.low in words.FIRST_PERSON:
            return True
        if (
            piece.low not in words.ADVERBS
            and piece.low not in words.PLAN
            and piece.low not in {"to", "going"}
        ):
            return False
    return False


def _is_open_before(
    clause: Clause, prefix: Sequence[Lexeme], book: TickerBook, *, is_own: bool, is_foreign: bool
) -> bool:
    """Whether nothing before the head negates it, doubts it, or gives it to somebody else."""
    lows = [piece.low for piece in prefix]
    if set(lows) & (words.NEGATION - {"limit"} | words.HEDGE) or {"still", "already"} & set(lows):
        return False
    if is_own:
        return not set(lows) & words.OTHERS
    if is_foreign or (set(clause.lead) & (words.NEGATION - {"stop"} | words.HEDGE) and not _is_fresh(clause)):
        return False
    conditional = bool({"if", "when", "once"} & set(clause.lead))
    return all(
        piece.low in words.PREFIX
        or piece.low in words.PLAN
        or (conditional and piece.low in words.TRIGGERS)
        or _mention(piece, book, is_governed=False) is not None
        for piece in prefix
    )


def _is_fresh(clause: Clause) -> bool:
    """Whether a doubt in an earlier clause is about something else: this one starts with its own present
    verb.
    """
    return ROLES.get(clause.pieces[0].low, (None,))[0] is Role.PRESENT


def _mention(piece: Lexeme, book: TickerBook, *, is_governed: bool) -> Symbol | None:
    if piece.kind is Kind.TAGGED or piece.kind is Kind.PAIR:
        return book.symbol(piece.text)
    if piece.kind is Kind.WORD and (is_governed or not needs_government(piece.text)):
        return book.word(piece.text)
    return None


def _token_after(clause: Clause, at: int, book: TickerBook) -> tuple[Lexeme, Symbol] | None:
    for piece in clause.pieces[at + 1 :]:
        symbol = _mention(piece, book, is_governed=True)
        if symbol is not None and not (is_stablecoin(symbol.token) and piece.kind is Kind.WORD):
            return piece, symbol
        if piece.kind is Kind.RATIO or piece.kind is Kind.OPAQUE:
            return None
        if (
            piece.kind is Kind.WORD
            and piece.low not in words.GAP
            and piece.low not in words.LONG_NOUNS | words.SHORT_NOUNS
        ):
            return None
    return None


def _token_before(clause: Clause, at: int, book: TickerBook) -> tuple[Lexeme, Symbol] | None:
    for index in range(at - 1, -1, -1):
        piece = clause.pieces[index]
        symbol = _mention(piece, book, is_governed=index == at - 1)
        if symbol is not None and not is_stablecoin(symbol.token):
            return piece, symbol
    return None


def _topic_of(
    clause: Clause, at: int, role: Role, topic: tuple[Lexeme, Symbol] | None
) -> tuple[Lexeme, Symbol] | None:
    """The post's only token, for a head that names none and speaks of nothing else."""
    if topic is None:
        return None
    allowed = words.GAP | words.AFTER_NOUN | words.LONG_NOUNS | words.SHORT_NOUNS | _TOPICAL
    allowed -= {"for"} if clause.pieces[at].low in {"longing", "bid"} else set()
    if role is Role.NOUN:
        allowed |= {"direction", "side", "type", "position"}
        if any(piece.kind is Kind.WORD and piece.low in _FUNCTION for piece in clause.pieces[:at]):
            return None
    rest = [piece for piece in clause.pieces[at + 1 :] if piece.kind is Kind.WORD]
    return topic if all(piece.low in allowed for piece in rest) else None


def _is_open_after(
    clause: Clause, at: int, token: Lexeme, role: Role, action: Action, *, is_topical: bool
) -> bool:
    """Whether what follows leaves it a trade of now: no history, no status, no part of a position, no plural
    talk.
    """
    lows = [piece.low for piece in clause.pieces]
    behind = set(lows[at + 1 :])
    if behind & words.HEDGE - {"demo"} or behind & words.OPTIONS or behind & _ALWAYS_PAST:
        return False
    is_past = role is Role.NOUN or clause.pieces[at].low in words.PAST_VERBS or (role in EXITS)
    if is_past and (
        clause.is_historic or clause.sentence & (_ALWAYS_PAST | words.HISTORY - {"once", "since"})
    ):
        return False
    if action is Action.CLOSE:
        return _is_full_exit(clause, at)
    if role in {Role.PAST, Role.OPEN} and clause.sentence & words.STATUS:
        return False
    if role in {Role.NOUN, Role.OPEN} or is_topical:
        return _is_followed_well(clause, at, token, is_topical=is_topical)
    return True


def _is_full_exit(clause: Clause, at: int) -> bool:
    if (
        clause.sentence & words.PARTIAL
        or {"stopped", "liquidated"} & clause.sentence
        or "if" in clause.sentence
    ):
        return False
    if {"above", "below", "daily", "weekly", "monthly", "candle"} & {p.low for p in clause.pieces[at:]}:
        return False
    shares = [piece.value for piece in clause.pieces if piece.kind is Kind.PERCENT]
    return all(share == 100 for share in shares[:1])


def _is_followed_well(clause: Clause, at: int, token: Lexeme, *, is_topical: bool) -> bool:
    """The first word behind a noun and its token decides between a trade and talk about longs and shorts."""
    verb = clause.pieces[at]
    passed = max(
        verb.end,
        token.end if token.start >= clause.pieces[0].start and token.end <= clause.pieces[-1].end else 0,
    )
    for piece in clause.pieces:
        if (
            piece.start < passed
            or piece.kind is not Kind.WORD
            or piece.low in words.LONG_NOUNS | words.SHORT_NOUNS
        ):
            continue
        return piece.low in _AFTER or (is_topical and piece.low in _TOPICAL)
    return True
