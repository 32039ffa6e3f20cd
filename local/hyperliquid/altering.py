"""Changes an answer into one that the venue might give one day: a row less, a word or a field unheard of.

Promises: pure; the given answer is left as it was, and what a change has no place in comes back unchanged.
"""

from typing import Any

UNKNOWN_WORD = "parkedByMatcher"
UNKNOWN_FIELD = "matcherNote"
_A_MARKET = "BTC"  # the key by which a map from markets to prices is known
_ROWS_IN = ("assetPositions", "balances")


def without_a_row(answer: Any, pick: int) -> Any:
    """A list, or the list inside an account's state, with one row missing."""
    if isinstance(answer, list) and answer:
        gone = pick % len(answer)
        return [row for number, row in enumerate(answer) if number != gone]
    if isinstance(answer, dict):
        for name in _ROWS_IN:
            if name in answer:
                return {**answer, name: without_a_row(answer[name], pick)}
    return answer


def with_unknown_status(answer: Any) -> Any:
    """An /exchange answer whose statuses, or an orderStatus answer whose word, nobody has recorded."""
    if not isinstance(answer, dict):
        return answer
    if answer.get("status") == "order":
        return {**answer, "order": {**answer["order"], "status": UNKNOWN_WORD}}
    response = answer.get("response")
    if isinstance(response, dict) and "data" in response:
        rows = [_parked(row) for row in response["data"]["statuses"]]
        return {**answer, "response": {**response, "data": {**response["data"], "statuses": rows}}}
    return answer


def _parked(row: Any) -> Any:
    """The same order under an unheard-of word; a plain word becomes another plain word."""
    if not isinstance(row, dict):
        return UNKNOWN_WORD
    inner = next(iter(row.values()))
    return {UNKNOWN_WORD: {"oid": inner["oid"]} if isinstance(inner, dict) and "oid" in inner else inner}


def with_unknown_fields(answer: Any) -> Any:
    """Every object of the answer carries one field more. Maps from names to prices are no objects."""
    if isinstance(answer, list):
        return [with_unknown_fields(item) for item in answer]
    if not isinstance(answer, dict):
        return answer
    if _A_MARKET in answer:
        return answer
    return {**{key: with_unknown_fields(value) for key, value in answer.items()}, UNKNOWN_FIELD: {"is": 1}}
