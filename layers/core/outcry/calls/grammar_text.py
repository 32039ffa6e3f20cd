"""A post's text, made readable: folded by NFKC with its positions kept, checked for tricks, cut into
lexemes. Pure.

Promises: every lexeme knows where it stands in the original text, so that evidence can be quoted as it was
written. Hidden
and look-alike characters are refused, never cleaned (Unicode TS 39 gives the idea of mixed scripts).
"""

import re
import unicodedata
from decimal import Decimal
from enum import IntEnum, auto
from functools import lru_cache
from typing import NamedTuple

from outcry.calls.lexicon import set_of

MAX_LENGTH = 30_000
_MAX_DIGITS = 18

_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_HIDDEN = "\u00ad\u061c\u180e\u200b-\u200f\u2060-\u2064\ufeff\ufff9-\ufffb"
_HIDDEN_IN_WORD = re.compile(f"[A-Za-z0-9$#][{_HIDDEN}]|[{_HIDDEN}][A-Za-z0-9$#]")
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,6}\U000e007f")
_TAG = re.compile("[\U000e0000-\U000e007f]")
_MIXED = re.compile(
    "[A-Za-z][A-Za-z0-9]{0,40}[\u0370-\u058f\u10a0-\u10ff\u13a0-\u13ff\u2c80-\u2cff\ua4d0-\ua4ff\uab70-\uabbf]"
    "|[\u0370-\u058f\u10a0-\u10ff\u13a0-\u13ff\u2c80-\u2cff\ua4d0-\ua4ff\uab70-\uabbf][A-Za-z0-9]{0,40}[A-Za-z]"
)
_TAGGED = re.compile(r"[$#][A-Za-z0-9]*[^\W_]*")
_MARKED = re.compile("[A-Za-z$][\u0300-\u036f\u0488\u0489\u20d0-\u20ff]")
_ORDERS = re.compile(
    r"\b(?:ignor(?:e|ing)|disregard|forget|override|bypass)\b[^.\n]{0,40}?"
    r"\b(?:instructions?|prompts?|rules|guidelines|guardrails|safety|filters?|polic(?:y|ies))\b"
    r"|(?:^|[\n.!?>\])\"}])[\s#*\-<\[({\"]{0,12}(?:system|assistant|developer)"
    r"\s{0,4}(?:message|note|prompt|override|update|instructions?)?[\])}>\"]{0,4}\s{0,4}:"
    r"|\bsystem[\ _-](?:prompt|message|override|instruction)|\[/?(?:inst|system)\]"
    r"|<\|?/?\s*(?:system|assistant|im_start|im_end)\b|<\|"
    r"|\bas an? (?:ai|llm|language model)\b|\b(?:developer|dan|god|jailbreak) mode\b|\bjailbreak"
    r"|\byou are (?:now )?(?:an? |the )?[^.\n]{0,20}?\b(?:ai|llm|bot|assistant|classifier|language model)\b"
    r"|\b(?:new|updated|real) instructions?\b|\bis_call\b|\bconviction\W{1,4}(?:1|0)\b"
    r"|\"(?:calls|token|side|action)\"\s*:"
    r"|\b(?:dear|attention|hey|note to(?: the)?|to the) (?:ai|llm|bot|classifier|trading bot|model)\b"
    r"|\b(?:respond|reply|answer|output) (?:only )?(?:with|in) (?:json|the following|long|short)"
    r"|\b(?:classify|label|mark|treat) (?:this|the|my|all)[^.\n]{0,20}? (?:post|tweet|message|text)s? as\b",
    re.IGNORECASE,
)


class Kind(IntEnum):
    """What a lexeme is. RATIO is one token priced in another, QUANTITY a number that is no price (4h,
    3rd).
    """

    WORD = auto()
    TAGGED = auto()  # cashtag or hashtag
    PAIR = auto()
    RATIO = auto()
    NUMBER = auto()
    PERCENT = auto()
    TIMES = auto()  # leverage: 5x, x5
    QUANTITY = auto()
    END = auto()  # . ! ? newline
    PUNCTUATION = auto()
    OPAQUE = auto()  # URL, address, mention: never a token, never a level


class Lexeme(NamedTuple):
    """A piece of the folded text. A NamedTuple because posts are read by the ten thousand and it is made
    fastest.
    """

    kind: Kind
    text: str
    low: str
    start: int
    end: int
    value: Decimal | None = None


class Folded(NamedTuple):
    """The folded text, and where in the original each of its characters stands (None: the same place)."""

    original: str
    text: str
    places: tuple[int, ...] | None

    def quote(self, start: int, end: int) -> str:
        """The original's words for a span of the folded text."""
        if self.places is None:
            return self.original[start:end]
        return self.original[self.places[start] : self.places[end - 1] + 1]


def fold(text: str) -> Folded:
    """NFKC character by character, with straight quotes and dashes, so that every position can be traced
    back.
    """
    text = text[:MAX_LENGTH]
    if text.isascii():
        return Folded(text, text, None)
    pieces = [_fold_character(character) for character in text]
    if all(len(piece) == 1 for piece in pieces):
        return Folded(text, "".join(pieces), None)
    places = tuple(index for index, piece in enumerate(pieces) for _ in piece)
    return Folded(text, "".join(pieces), places)


def suspicion(text: str) -> str | None:
    """What is wrong with the text: hidden or look-alike characters, or orders to whoever reads it. None:
    nothing.
    """
    text = text[:MAX_LENGTH]
    if not text.isascii():
        normal = unicodedata.normalize("NFKC", text)
        if _BIDI.search(text) or _TAG.search(_FLAG.sub("", text)) or _HIDDEN_IN_WORD.search(text):
            return "hidden or direction-changing characters"
        if _MIXED.search(normal) or _MARKED.search(normal) or _has_foreign_tag(normal):
            return "look-alike characters in a ticker"
        text = normal
    return "instructions to the reader" if _ORDERS.search(text) else None


def _has_foreign_tag(text: str) -> bool:
    for match in _TAGGED.finditer(text):
        found = match[0]
        if not found.isascii() and (found[0] == "$" or any(character.isascii() for character in found[1:])):
            return not (
                found[0] == "#"
                and not any(character.isascii() and character.isalpha() for character in found)
            )
    return False


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    if character in "\u2018\u2019\u201b\u00b4\u2032":
        return "'"
    if character in "\u201c\u201d\u201e\u00ab\u00bb\u201f":
        return '"'
    if character in "\u2010\u2011\u2012\u2013\u2014\u2212":
        return "-"
    if character in "\u2192\u27a1\u21d2":
        return ">"
    return unicodedata.normalize("NFKC", character) or character


_LEXEME = re.compile(
    r"""
    (?P<url>(?:https?://|www\.|t\.me/)\S+)
  | (?P<address>0[xX][0-9a-fA-F]{8,}|(?<![A-Za-z0-9])[1-9A-HJ-NP-Za-km-z]{32,}(?![A-Za-z0-9]))
  | (?P<mention>@[A-Za-z_]\w*)
  | (?P<pair>[$\#]?(?=\d{0,5}[A-Za-z])[A-Za-z0-9]{1,15}(?:\s?[/_]\s?|-)\$?
        (?:USDT|USDC|FDUSD|BUSD|DAI|USD|PERP)
        (?:[-_.:\ ]?(?:PERP|P))?(?![A-Za-z0-9])
        |[$\#]?(?=\d{0,5}[A-Za-z])[A-Za-z0-9]{2,12}(?:USDT|USDC|PERP)(?:\.P|PERP|-PERP)?(?![A-Za-z0-9])
        |[$\#]?(?:[A-Z]{3,6}|[a-z]{3,6})USD(?:\.P)?(?![A-Za-z0-9]))
  | (?P<ratio>[$\#]?[A-Za-z]{2,10}/\$?(?:BTC|ETH|SOL|BNB)(?![A-Za-z0-9/]))
  | (?P<tagged>\$(?:[A-Za-z]|\d{1,5}(?=[A-Za-z]{2}))[A-Za-z0-9]{0,19}(?![A-Za-z0-9])
        |\#[A-Za-z0-9]*[A-Za-z][A-Za-z0-9_]*)
  | (?P<times>[xX]\d{1,3}(?![A-Za-z0-9]))
  | (?P<number>\$?(?<![A-Za-z0-9])(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+))
        (?P<suffix>%|[A-Za-z]+\d*|\$)?
  | (?P<word>[^\W_]+(?:'[^\W\d_]+)?)
  | (?P<end>[.!?]+|\n\s*)
  | (?P<mark>[^\s\w])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FACTORS = {"k": Decimal(1000), "m": Decimal(10) ** 6, "mil": Decimal(10) ** 6, "mio": Decimal(10) ** 6}
_UNITS = set_of("usd usdt usdc c cents dollars bucks eur")
_MINUTES = set_of("1 2 3 5 10 15 30 45")
_PERIODS = set_of("h hr hrs d w min mins s sec secs y yr yrs st nd rd th am pm bps r pt pts days hours b bn")


def lexemes(text: str) -> list[Lexeme]:
    """The folded text in pieces. What is in none of the classes (spaces) is left out."""
    found: list[Lexeme] = []
    append = found.append
    for match in _LEXEME.finditer(text):
        group = match.lastgroup
        start, end = match.span()
        piece = match[0]
        if group == "word":
            append(Lexeme(Kind.WORD, piece, piece.lower(), start, end))
        elif group == "number" or group == "suffix":
            append(_number(piece, match["number"], match["suffix"] or "", start, end))
        else:
            append(_other(str(group), piece, start, end))
    return found


_PLAIN_KINDS = {
    "url": Kind.OPAQUE,
    "address": Kind.OPAQUE,
    "mention": Kind.OPAQUE,
    "pair": Kind.PAIR,
    "ratio": Kind.RATIO,
    "tagged": Kind.TAGGED,
    "end": Kind.END,
    "mark": Kind.PUNCTUATION,
}


def _other(group: str, piece: str, start: int, end: int) -> Lexeme:
    if group == "times":
        return Lexeme(Kind.TIMES, piece, piece.lower(), start, end, Decimal(piece[1:]))
    if group == "mark" and piece == "@":
        return Lexeme(Kind.WORD, piece, "@", start, end)
    return Lexeme(_PLAIN_KINDS[group], piece, piece.lower(), start, end)


def _number(piece: str, digits: str, suffix: str, start: int, end: int) -> Lexeme:
    plain = digits.replace("$", "").replace(",", "")
    low = suffix.lower()
    if len(plain) > _MAX_DIGITS:
        return Lexeme(Kind.QUANTITY, piece, piece.lower(), start, end)
    value = Decimal(plain)
    if low == "" or low == "$" or low in _UNITS:
        return Lexeme(Kind.NUMBER, piece, piece.lower(), start, end, value)
    if low == "%":
        return Lexeme(Kind.PERCENT, piece, piece.lower(), start, end, value)
    if low == "x":
        return Lexeme(Kind.TIMES, piece, piece.lower(), start, end, value)
    if low in _FACTORS and not (suffix == "m" and plain in _MINUTES):
        return Lexeme(Kind.NUMBER, piece, piece.lower(), start, end, value * _FACTORS[low])
    if low in _PERIODS or low == "m":
        return Lexeme(Kind.QUANTITY, piece, piece.lower(), start, end, value)
    return Lexeme(Kind.WORD, piece, piece.lower(), start, end)
