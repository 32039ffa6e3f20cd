"""What a trade verb or a direction noun does in its clause: which word leads, and the side and action that
it means. Pure.

Promises: a clause whose words contradict each other (long and short, a short that is sold) has no leading
word.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from outcry.calls import lexicon as words
from outcry.calls.grammar_clauses import Clause
from outcry.calls.model import Action, Side


class Role(Enum):
    NOUN = auto()
    PRESENT = auto()
    PAST = auto()
    IMPERATIVE = auto()
    OPEN = auto()
    CLOSE = auto()
    COVER = auto()
    SELL = auto()
    BARE_SELL = auto()


EXITS = frozenset({Role.CLOSE, Role.COVER, Role.SELL, Role.BARE_SELL})
_DIRECTED = frozenset({Role.PRESENT, Role.PAST, Role.IMPERATIVE})


def _roles() -> dict[str, tuple[Role, Side | None]]:
    table: dict[str, tuple[Role, Side | None]] = {}
    for group, role, side in (
        (words.OPEN_VERBS, Role.OPEN, None),
        (words.LONG_OPEN_VERBS, Role.OPEN, None),
        (words.CLOSE_VERBS, Role.CLOSE, None),
        (words.COVER_VERBS, Role.COVER, Side.SHORT),
        (words.SELL_VERBS, Role.SELL, Side.LONG),
        (words.SELL_IMPERATIVE, Role.BARE_SELL, Side.LONG),
        (words.LONG_PRESENT, Role.PRESENT, Side.LONG),
        (words.SHORT_PRESENT, Role.PRESENT, Side.SHORT),
        (words.LONG_PAST, Role.PAST, Side.LONG),
        (words.SHORT_PAST, Role.PAST, Side.SHORT),
        (words.LONG_IMPERATIVE, Role.IMPERATIVE, Side.LONG),
        (words.SHORT_IMPERATIVE, Role.IMPERATIVE, Side.SHORT),
        (words.LONG_NOUNS, Role.NOUN, Side.LONG),
        (words.SHORT_NOUNS, Role.NOUN, Side.SHORT),
    ):
        table.update(dict.fromkeys(group, (role, side)))
    return table


ROLES: Mapping[str, tuple[Role, Side | None]] = MappingProxyType(_roles())


class Lead(NamedTuple):
    """The leading word of a clause, by its index, and what it means."""

    at: int
    role: Role
    side: Side
    action: Action


def lead_of(clause: Clause) -> Lead | None:
    """Which word leads the clause, or None where no trade word does, or several contradict each other."""
    found = [(index, *ROLES[piece.low]) for index, piece in enumerate(clause.pieces) if piece.low in ROLES]
    return _choose(clause, found) if found or _is_out_of(clause) else None


def _is_out_of(clause: Clause) -> bool:
    lows = [piece.low for piece in clause.pieces]
    return any(low == "out" and follower == "of" for low, follower in pairwise(lows))


def _choose(clause: Clause, found: Iterable[tuple[int, Role, Side | None]]) -> Lead | None:
    """Which word leads, and what side and action it means together with the direction nouns of its clause."""
    nouns: list[Side] = []
    verbs: list[tuple[int, Role, Side | None]] = []
    first_noun = -1
    for index, role, side in found:
        if role is Role.NOUN and side is not None:
            nouns.append(side)
            first_noun = index if first_noun < 0 else first_noun
        else:
            verbs.append((index, role, side))
    if len(set(nouns)) > 1:
        return None
    noun = nouns[0] if nouns else None
    for index, role, side in verbs:
        if role in EXITS:
            return _exit(clause, index, role, side, noun)
    if _is_out_of(clause):
        at = next(index for index, piece in enumerate(clause.pieces) if piece.low == "out")
        return Lead(at, Role.CLOSE, noun or Side.LONG, Action.CLOSE)
    directed = [(i, r, s) for i, r, s in verbs if r in _DIRECTED and s is not None]
    if directed:
        index, role, side = directed[0]
        if (noun is not None and noun is not side) or len({each for _, _, each in directed}) > 1:
            return None
        return Lead(index, role, side, Action.OPEN)
    return _opening(clause, verbs, noun, first_noun)


def _exit(clause: Clause, index: int, role: Role, side: Side | None, noun: Side | None) -> Lead | None:
    if role is Role.CLOSE and noun is None:
        lows = {piece.low for piece in clause.pieces}
        verb = clause.pieces[index].low
        if verb.startswith("exit") or {"bag", "bags", "spot"} & lows:
            return Lead(index, role, Side.LONG, Action.CLOSE)
        return None
    if role is Role.COVER and noun is Side.LONG:
        return None
    if noun is Side.SHORT and role in {Role.SELL, Role.BARE_SELL}:
        return None
    chosen = noun or side
    return Lead(index, role, chosen, Action.CLOSE) if chosen is not None else None


def _opening(
    clause: Clause, verbs: Sequence[tuple[int, Role, Side | None]], noun: Side | None, first_noun: int
) -> Lead | None:
    if noun is None:
        for index, role, _ in verbs:
            if role is Role.OPEN and clause.pieces[index].low in words.LONG_OPEN_VERBS:
                return Lead(index, role, Side.LONG, Action.OPEN)
        return None
    if verbs and verbs[0][0] < first_noun:
        return Lead(verbs[0][0], Role.OPEN, noun, Action.OPEN)
    if clause.pieces[first_noun].low in {"longs", "shorts"}:
        return None
    return Lead(first_noun, Role.NOUN, noun, Action.OPEN)
