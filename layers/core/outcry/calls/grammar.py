"""Reads explicit trade calls out of a post. Pure, precise rather than complete, and never raising on any
text.

A call is a trade that the author states in their own voice as taken now, told to followers, or set on a
level of their own.
The text is cut into sentences and clauses; a clause has a head where a trade verb or a direction noun stands
with a token and
nothing in front of it changes who trades, or whether. Unknown words in front of a head keep it from being
read.

Never a call: negations, questions, conditions without own intent, past trades with a time, other people's
trades, quoted
words, predictions, jokes, partial exits, stop moves, and anything in a text that hides characters or gives
orders.

Conviction (`_conviction`): what is stated, not how loudly. An OPEN starts at 0.50 for token and side, and
gains 0.10 for an
entry or "here/now", 0.15 for a stop, 0.10 for a target, 0.05 for leverage, 0.05 for the author's own voice;
a trade that
still waits for its level loses 0.15; at most 0.95. A CLOSE is 0.80, with 0.10 more in the author's own voice.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

from outcry.calls.grammar_clauses import clauses_of
from outcry.calls.grammar_heads import Head, head_of, listed_with
from outcry.calls.grammar_levels import Levels, Stated, settle, stated_levels
from outcry.calls.grammar_text import Folded, Kind, Lexeme, fold, lexemes, suspicion
from outcry.calls.lexicon import JOKE, JOKE_SIGNS, STATUS
from outcry.calls.model import Action, Call, Reading, Side, no_call, suspicious
from outcry.calls.tickers import AMBIGUOUS, Symbol, TickerBook, is_stablecoin
from outcry.runtime.reasons import Reason

LONGEST_EVIDENCE = 400
MOST_HEADS = 20

_HINT = re.compile(
    r"long|short|buy|bought|bid|aped?\b|aping|snip|accumul|scoop|grabb|sold|sell|dump|clos|exit|cover|\bcut|flat|fad(?:e|ing)|"
    r"enter|add(?:ing|ed)|load|\bout of",
    re.IGNORECASE,
)
_REPOST = re.compile(r"\s*RT\s+@")


def read(text: str, book: TickerBook) -> Reading:
    """The calls of a post, or why it has none: NO_CALL, AMBIGUOUS_TICKER, SUSPICIOUS_TEXT."""
    folded = fold(text)
    if _HINT.search(folded.text) is None:
        return no_call("no trade word")
    trick = suspicion(text)
    if trick is not None:
        return suspicious(trick)
    if _REPOST.match(folded.text):
        return no_call("somebody else's words")
    own = _own_words(lexemes(folded.text))
    if any(piece.low in JOKE or piece.text in JOKE_SIGNS for piece in own):
        return no_call("a joke")
    heads = _heads(own, book)
    if len(heads) > MOST_HEADS:
        return no_call("more trades than anybody makes")
    if not heads:
        return no_call("no trade of the author's own")
    return _calls(folded, own, heads)


def _own_words(pieces: list[Lexeme]) -> list[Lexeme]:
    """Without what stands in quotation marks or on quoted lines: those are other people's words."""
    if not any(piece.text in {'"', ">"} for piece in pieces):
        return pieces
    marks = [index for index, piece in enumerate(pieces) if piece.text == '"']
    dropped = {
        index for start, end in zip(marks[::2], marks[1::2], strict=False) for index in range(start, end + 1)
    }
    kept: list[Lexeme] = []
    quoting = False
    for index, piece in enumerate(pieces):
        starts_line = index == 0 or pieces[index - 1].text.startswith("\n")
        quoting = (quoting and not starts_line) or (piece.text == ">" and starts_line)
        if not quoting and index not in dropped:
            kept.append(piece)
    return kept


def _heads(own: list[Lexeme], book: TickerBook) -> list[Head]:
    topics = _topics(own, book)
    is_clear = len({symbol.token for _, symbol in topics}) == 1 and topics[0][0].kind is not Kind.RATIO
    topic = topics[0] if is_clear else None
    found: list[Head] = []
    for sentence in clauses_of(own):
        carried: Head | None = None
        foreign = False
        for clause in sentence:
            head = head_of(clause, book, topic=topic, is_foreign=foreign)
            if head is None and carried is not None:
                head = listed_with(clause, book, carried)
            if head is not None:
                found.append(head)
                if head.flips:
                    found.append(head.closing_part())
            carried = head
            foreign = foreign or clause.speaks_of_others
    return found


def _topics(own: Sequence[Lexeme], book: TickerBook) -> list[tuple[Lexeme, Symbol]]:
    """The tokens that the post names beyond doubt; a head without a token means the only one of them."""
    found: list[tuple[Lexeme, Symbol]] = []
    for piece in own:
        symbol: Symbol | None = None
        if piece.kind is Kind.PAIR or (
            piece.kind is Kind.TAGGED and (piece.text[0] == "$" or book.word(piece.text[1:]))
        ):
            symbol = book.symbol(piece.text)
        elif piece.kind is Kind.WORD:
            symbol = book.word(piece.text)
        elif piece.kind is Kind.RATIO:
            symbol = Symbol(piece.text)
        if symbol is not None and not is_stablecoin(symbol.token):
            found.append((piece, symbol))
    return found


def _calls(folded: Folded, own: Sequence[Lexeme], heads: Sequence[Head]) -> Reading:
    calls: dict[tuple[str, Action], Call] = {}
    sides: dict[str, set[Side]] = {}
    has_status = any(piece.low in STATUS for piece in own) or any(
        (sign.text == "+" and piece.kind is Kind.PERCENT)
        or (sign.low == "in" and piece.low in {"profit", "profits"})
        for sign, piece in pairwise(own)
    )
    for index, head in enumerate(heads):
        if head.symbol.token in AMBIGUOUS:
            candidates = ", ".join(AMBIGUOUS[head.symbol.token])
            return Reading(reason=Reason.AMBIGUOUS_TICKER, detail=f"{head.symbol.token} may be {candidates}")
        until = next((later.start for later in heads[index + 1 :] if later.start > head.start), None)
        after = [p for p in own if p.start >= head.after and (until is None or p.start < until)]
        before = [p for p in own if p.start < head.start] if len(heads) == 1 else []
        call = _call(folded, head, stated_levels(after, before), has_status=has_status)
        if call is None:
            continue
        calls.setdefault((call.token, call.action), call)
        if call.action is Action.OPEN:
            sides.setdefault(call.token, set()).add(call.side)
    kept = tuple(call for call in calls.values() if _stands(call, calls, sides))
    return Reading(calls=kept) if kept else no_call("nothing that could be acted on")


def _stands(call: Call, calls: Mapping[tuple[str, Action], Call], sides: Mapping[str, set[Side]]) -> bool:
    """False for alternatives (both sides in one post) and finished trades (a side opened and closed)."""
    if call.action is Action.OPEN and len(sides[call.token]) > 1:
        return False
    other = calls.get((call.token, Action.CLOSE if call.action is Action.OPEN else Action.OPEN))
    return other is None or other.side is not call.side


def _call(folded: Folded, head: Head, stated: Stated, *, has_status: bool) -> Call | None:
    action, side = head.action, head.side
    if head.is_bare_sell:
        turned = settle(Side.SHORT, stated)
        if (
            stated.stops
            and stated.targets
            and turned is not None
            and turned.stop is not None
            and turned.targets
        ):
            action, side = Action.OPEN, Side.SHORT
        elif not head.is_own_exit:
            return None
    if action is Action.CLOSE:
        quote = folded.quote(head.quote_start, head.clause_end)
        return _made(head, action, side, Levels(), quote, _conviction(head, Levels(), action))
    levels = settle(side, stated)
    if levels is None or not head.is_strong_enough(stated, has_status=has_status):
        return None
    if head.trigger is not None and levels.entry_low is None:
        triggered = stated._replace(entries=(head.trigger,))
        levels = settle(side, triggered) or levels
    end = max(head.clause_end, stated.used.end if stated.used else 0, head.after)
    if end - head.quote_start > LONGEST_EVIDENCE:
        end = max(head.after, min(head.clause_end, head.quote_start + LONGEST_EVIDENCE))
    return _made(
        head, action, side, levels, folded.quote(head.quote_start, end), _conviction(head, levels, action)
    )


def _made(head: Head, action: Action, side: Side, levels: Levels, evidence: str, conviction: Decimal) -> Call:
    return Call(
        token=head.symbol.token,
        token_as_written=head.written,
        side=side,
        action=action,
        conviction=conviction,
        evidence=evidence,
        entry_low=levels.entry_low,
        entry_high=levels.entry_high,
        stop=levels.stop,
        targets=levels.targets,
        leverage=levels.leverage,
        notes=levels.notes,
    )


def _conviction(head: Head, levels: Levels, action: Action) -> Decimal:
    own = Decimal("0.10") if head.is_own_voice else Decimal(0)
    if action is Action.CLOSE:
        return Decimal("0.80") + own
    sum_of = Decimal("0.50") + own / 2
    sum_of += Decimal("0.10") if levels.entry_low is not None or head.is_now else Decimal(0)
    sum_of += Decimal("0.15") if levels.stop is not None else Decimal(0)
    sum_of += Decimal("0.10") if levels.targets else Decimal(0)
    sum_of += Decimal("0.05") if levels.leverage is not None else Decimal(0)
    sum_of -= Decimal("0.15") if head.is_plan else Decimal(0)
    return min(sum_of, Decimal("0.95"))
