"""Cuts a post into sentences and clauses, each with what is known of its sentence. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

from outcry.calls import lexicon as words
from outcry.calls.grammar_text import Kind, Lexeme

_LEAD = 60  # words before a clause that still bear on it; keeps a post of commas from costing its square
_CLAUSE_WORDS = words.set_of("but and then while because though so or")


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause with what is known of its sentence."""

    pieces: tuple[Lexeme, ...]
    sentence: frozenset[str] = field(repr=False)
    numbers: tuple[Decimal, ...]
    lead: tuple[str, ...]
    is_question: bool
    is_historic: bool

    @property
    def speaks_of_others(self) -> bool:
        return any(
            piece.low in words.OTHERS or (piece.text[0] == "@" and len(piece.text) > 1)
            for piece in self.pieces
        )


def clauses_of(pieces: Sequence[Lexeme]) -> list[list[Clause]]:
    """The text's sentences, each as its clauses."""
    sentences: list[list[Clause]] = []
    current: list[Lexeme] = []
    for piece in pieces:
        if piece.kind is Kind.END:
            if current:
                sentences.append(_split(current, is_question="?" in piece.text))
            current = []
        else:
            current.append(piece)
    if current:
        sentences.append(_split(current, is_question=False))
    return sentences


def _split(sentence: Sequence[Lexeme], *, is_question: bool) -> list[Clause]:
    low = frozenset(piece.low for piece in sentence)
    numbers = tuple(
        piece.value for piece in sentence if piece.kind is Kind.NUMBER and piece.value is not None
    )
    is_historic = any(
        piece.low in words.LAST and follower.low in words.SPANS for piece, follower in pairwise(sentence)
    )
    made: list[Clause] = []
    current: list[Lexeme] = []
    lead: tuple[str, ...] = ()
    for index, piece in enumerate(sentence):
        if _separates(sentence, index):
            if current:
                made.append(Clause(tuple(current), low, numbers, lead, is_question, is_historic))
                lead = (lead + tuple(earlier.low for earlier in current))[-_LEAD:]
            current = []
        else:
            current.append(piece)
    if current:
        made.append(Clause(tuple(current), low, numbers, lead, is_question, is_historic))
    return made


def _separates(sentence: Sequence[Lexeme], index: int) -> bool:
    piece = sentence[index]
    if piece.kind is Kind.WORD:
        return piece.low in _CLAUSE_WORDS
    if piece.kind is not Kind.PUNCTUATION:
        return False
    if piece.text in ",;&+|":
        return True
    spaced = (
        0 < index < len(sentence) - 1
        and sentence[index - 1].end < piece.start
        and piece.end < sentence[index + 1].start
    )
    return piece.text in "-~" and spaced
