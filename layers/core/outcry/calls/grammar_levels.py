"""Entry, stop, targets and leverage as a post states them, and whether they can be meant. Pure, Decimal
throughout.

Promises: a level is a number that stands in the post; a stop or target that contradicts the side, or is
absurd against the
entry, is dropped and noted; where everything contradicts the side, the call itself is not to be believed
(`settle` is None).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from typing import NamedTuple

from outcry.calls.grammar_text import Kind, Lexeme
from outcry.calls.lexicon import (
    ENTRY_LABELS,
    GAP,
    LEVEL_FILLER,
    LEVERAGE_LABELS,
    LONG_NOUNS,
    SHORT_NOUNS,
    STOP_LABELS,
    TARGET_LABELS,
    TRIGGERS,
)
from outcry.calls.model import MAX_TARGETS, Side, is_level

MAX_LEVERAGE = Decimal(200)
# A stop further than this from the entry, or a target beyond that, is a slip of the pen or another coin's
# price.
STOP_WITHIN = Decimal(2)
TARGET_WITHIN = Decimal(50)
_THOUSAND = Decimal(1000)
_STRONG_ENTRY = frozenset({"entry", "entries", "entered", "enter", "buyzone", "cmp"})
_JOINERS = frozenset(",-/|&~+")
_SOFT = frozenset({"and", "to", "then", "or"})


class Stated(NamedTuple):
    """The numbers of one call as they were written; `used` is the last lexeme that carried one."""

    entries: tuple[Decimal, ...] = ()
    stops: tuple[Decimal, ...] = ()
    targets: tuple[Decimal, ...] = ()
    leverage: Decimal | None = None
    used: Lexeme | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.entries or self.stops or self.targets or self.leverage)


class Levels(NamedTuple):
    """Levels that fit the side and each other."""

    entry_low: Decimal | None = None
    entry_high: Decimal | None = None
    stop: Decimal | None = None
    targets: tuple[Decimal, ...] = ()
    leverage: Decimal | None = None
    notes: tuple[str, ...] = ()


class _Label(Enum):
    NONE = auto()
    ENTRY = auto()
    STOP = auto()
    TARGET = auto()
    LEVERAGE = auto()


@dataclass(slots=True)
class _Reader:
    """Walks over the lexemes that follow a trade and hands each number to the label that stands before it."""

    lexemes: Sequence[Lexeme]
    label: _Label
    taken: int = 0
    joined: bool = True
    found: dict[_Label, list[Decimal]] = field(default_factory=dict)
    leverage: Decimal | None = None
    used: Lexeme | None = None

    def read(self) -> Stated:
        for index, lexeme in enumerate(self.lexemes):
            if lexeme.kind is Kind.WORD:
                self._word(index, lexeme)
            elif lexeme.kind is Kind.NUMBER:
                self._number(index, lexeme)
            elif lexeme.kind is Kind.TIMES:
                self._times(lexeme)
            elif lexeme.kind is Kind.END:
                self._end(lexeme)
            elif lexeme.kind is Kind.PUNCTUATION:
                self.joined = self.joined or lexeme.text in _JOINERS
                if lexeme.text == ">" and self.taken and self.label is _Label.ENTRY:
                    self._open(_Label.TARGET)  # `2,950 > 3,200`: from here to there
        return Stated(
            tuple(self.found.get(_Label.ENTRY, ())),
            tuple(self.found.get(_Label.STOP, ())),
            tuple(self.found.get(_Label.TARGET, ())),
            self.leverage,
            self.used,
        )

    def _word(self, index: int, lexeme: Lexeme) -> None:
        low = lexeme.low
        if low in STOP_LABELS:
            self._open(_Label.STOP)
        elif low in TARGET_LABELS or (low == "take" and self._next_low(index) in {"profit", "profits"}):
            self._open(_Label.TARGET)
        elif low in LEVERAGE_LABELS:
            self._open(_Label.LEVERAGE)
        elif low in _STRONG_ENTRY or (low in ENTRY_LABELS and self._is_idle()):
            self._open(_Label.ENTRY)
        elif low in ENTRY_LABELS:
            return  # `SL at 58k`: the label in front still waits for its number
        elif low in _SOFT:
            self.joined = True
        elif low not in LEVEL_FILLER and not self._is_passed_over(low):
            self.label = _Label.NONE

    def _is_passed_over(self, low: str) -> bool:
        return (
            self.label is _Label.ENTRY
            and not self.taken
            and (low in GAP or low in TRIGGERS or low in LONG_NOUNS | SHORT_NOUNS)
        )

    def _is_idle(self) -> bool:
        return self.label is _Label.NONE or (self.taken > 0 and self.label is not _Label.TARGET)

    def _open(self, label: _Label) -> None:
        if label is not self.label or label is not _Label.TARGET:
            self.taken = 0
        self.label = label
        self.joined = True

    def _next_low(self, index: int) -> str:
        return self.lexemes[index + 1].low if index + 1 < len(self.lexemes) else ""

    def _number(self, index: int, lexeme: Lexeme) -> None:
        value = lexeme.value
        if (
            value is None
            or self.label is _Label.NONE
            or not is_level(value)
            or self._is_enumerator(index, value)
        ):
            return
        if self._next_low(index) in {"of", "worth"}:
            return
        if self.label is _Label.LEVERAGE:
            self._times(lexeme)
            self.label = _Label.NONE
            return
        if self.taken and not self.joined and self.label is not _Label.TARGET:
            self.label = _Label.NONE
            return
        known = self.found.setdefault(self.label, [])
        if len(known) < MAX_TARGETS and value not in known:
            _rescale(known, value, lexeme)
            known.append(value)
            self.used = lexeme
        self.taken += 1
        self.joined = False

    def _is_enumerator(self, index: int, value: Decimal) -> bool:
        """`1) 65k`, `TP 2: 70k`: a small counting number with a mark behind it and a price behind that."""
        if index + 2 >= len(self.lexemes) or value != self.taken + 1 or self.label is not _Label.TARGET:
            return False
        mark, follower = self.lexemes[index + 1], self.lexemes[index + 2]
        return mark.text in {")", ":", ".", "-", "=", "]"} and follower.kind is Kind.NUMBER

    def _times(self, lexeme: Lexeme) -> None:
        value = lexeme.value
        if self.leverage is None and value is not None and 1 <= value <= MAX_LEVERAGE:
            self.leverage = value
            self.used = lexeme

    def _end(self, lexeme: Lexeme) -> None:
        """A list of targets runs over lines; anything else ends with its sentence, a label without a number
        with a full stop.
        """
        if self.label is not _Label.TARGET and (self.taken or lexeme.text[0] in ".!?"):
            self.label = _Label.NONE


def _rescale(known: list[Decimal], value: Decimal, lexeme: Lexeme) -> None:
    """`60-62k` means 60k to 62k: a suffix at the end of a range belongs to all of it."""
    if lexeme.low.endswith("k"):
        for position, earlier in enumerate(known):
            if value / 5 <= earlier * _THOUSAND <= value * 5:
                known[position] = earlier * _THOUSAND


def stated_levels(after: Sequence[Lexeme], before: Sequence[Lexeme] = ()) -> Stated:
    """The levels behind a trade (a first bare number is its entry) and, where given, labelled ones in front
    of it.
    """
    behind = _Reader(after, _Label.ENTRY).read()
    if not before:
        return behind
    front = _Reader(before, _Label.NONE).read()
    return Stated(
        behind.entries or front.entries,
        behind.stops or front.stops,
        behind.targets or front.targets,
        behind.leverage or front.leverage,
        behind.used,
    )


def settle(side: Side, stated: Stated) -> Levels | None:
    """The levels that fit the side and each other; None where stop and targets all say the opposite side."""
    entries = sorted(stated.entries)
    low, high = (entries[0], entries[-1]) if entries else (None, None)
    notes: list[str] = []
    if low is not None and high is not None and high > low * STOP_WITHIN:
        low = high = None
        notes.append("entries too far apart")
    stop = _as_written_in_thousands(stated.stops[0], low) if stated.stops else None
    targets = tuple(_as_written_in_thousands(target, low) for target in stated.targets)
    if low is None or high is None:
        return _without_entry(side, stop, targets, stated.leverage, notes)
    stop_fits = stop is not None and _is_beyond(side, low if side is Side.LONG else high, stop)
    fitting = tuple(
        target for target in targets if _is_beyond(side.opposite, high if side is Side.LONG else low, target)
    )
    if stop is not None and targets and not stop_fits and not fitting:
        return None
    if stop is not None and not stop_fits:
        notes.append("stop on the wrong side of the entry")
        stop = None
    elif stop is not None and not _is_within(stop, low, STOP_WITHIN):
        notes.append("stop absurdly far from the entry")
        stop = None
    near = tuple(target for target in fitting if _is_within(target, low, TARGET_WITHIN))
    if len(near) < len(targets):
        notes.append("targets that contradict the entry")
    return Levels(low, high, stop, near, stated.leverage, tuple(notes))


def _without_entry(
    side: Side, stop: Decimal | None, targets: tuple[Decimal, ...], leverage: Decimal | None, notes: list[str]
) -> Levels | None:
    if stop is not None and targets:
        fitting = tuple(target for target in targets if _is_beyond(side, target, stop))
        if not fitting:
            return None
        if len(fitting) < len(targets):
            notes.append("targets that contradict the stop")
        targets = fitting
    return Levels(None, None, stop, targets, leverage, tuple(notes))


def _is_beyond(side: Side, price: Decimal, stop: Decimal) -> bool:
    """Whether `stop` lies where a stop of this side belongs, seen from `price`."""
    return stop < price if side is Side.LONG else stop > price


def _is_within(level: Decimal, entry: Decimal, factor: Decimal) -> bool:
    return entry / factor <= level <= entry * factor


def _as_written_in_thousands(level: Decimal, entry: Decimal | None) -> Decimal:
    """`60k, SL 58`: a level a thousand times too small against the entry was meant in thousands."""
    if (
        entry is not None
        and level < _THOUSAND <= entry
        and entry / STOP_WITHIN <= level * _THOUSAND <= entry * STOP_WITHIN
    ):
        return level * _THOUSAND
    return level
