"""Scripted faults of the wire: what goes wrong with one request or one answer, a given number of times.

Promises: a fault matches by endpoint and, when given, by action or info type, in the order in which they
were set; it is used up after `times`, and counted by its kind when it strikes. Never changes what the engine
does with a request that reaches it. Everything but `delay_ms` is without real waiting.

A fault: {"on": "exchange"|"info", "match": {"type": "order"}, "do": ..., "times": 1, "skip": 0, "kind": ...};
`kind` is its name in the count (default: `do`); `do` is
drop_before_commit  close the connection, the request is lost
drop_after_commit   carry it out, close the connection without an answer
commit_later        close the connection at once; carry it out when block time has moved on by "ms". Nonce,
                    expiry, budget and book are judged at that later moment: a request that was alive when it
                    was sent may be expired when it is carried out, and one that is not is executed
delay_ms            "ms": real milliseconds to wait; "when": "before" (default) | "after" the commit
status              "status": 502, "body": "..."; "commit": true carries it out first. A 429 has the body
                    `null` unless given, and commits as the switch `limited_commits` says unless given
html                a 200 with a page instead of JSON; "commit": true carries it out first
truncate            carry it out, send half of the answer
deliver_twice       carry it out twice, the second time at once or after "ms" of block time; "reply" with the
                    "first" (default) or "second" result, or "none" (the connection ends)
stale               info alone: answer clearinghouseState, frontendOpenOrders or openOrders as of "ms" of
                    block time ago, with the time of then
omit                one row is missing from the answer: the one at "pick" modulo their number
unknown_status      a status word that nobody has recorded, in place of the true one
unknown_text        a refusal with "text"; "commit": true carries it out first
unknown_field       a field that nobody has recorded, in every object of the answer
"""

from collections import Counter
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from local.hyperliquid.answers import BadRequest

Act = Literal[
    "drop_before_commit",
    "drop_after_commit",
    "commit_later",
    "delay_ms",
    "status",
    "html",
    "truncate",
    "deliver_twice",
    "stale",
    "omit",
    "unknown_status",
    "unknown_text",
    "unknown_field",
]
LIMITED = 429
_PAGE = "<html><body>Bad Gateway</body></html>"
_MAY_COMMIT = ("status", "html", "unknown_text")
_INFO_ALONE = ("stale", "omit")
UNKNOWN_TEXT = "The matching engine declined for a reason that nobody has recorded."


class Fault(BaseModel):
    """One scripted fault; see the module's head."""

    model_config = ConfigDict(extra="forbid")

    on: Literal["exchange", "info"]
    do: Act
    kind: str = ""
    match: dict[str, str] = Field(default_factory=dict)
    times: int = Field(default=1, ge=1)
    skip: int = Field(default=0, ge=0)
    ms: int = Field(default=0, ge=0)
    when: Literal["before", "after"] = "before"
    reply: Literal["first", "second", "none"] = "first"
    status: int = 502
    body: str | None = None
    commit: bool | None = None
    pick: int = Field(default=0, ge=0)
    text: str = UNKNOWN_TEXT

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.on == "exchange" and self.do in _INFO_ALONE:
            raise ValueError(f"{self.do} is a fault of info alone")
        return self

    @property
    def name(self) -> str:
        return self.kind or self.do

    @property
    def page(self) -> str:
        """The body of a `status` fault."""
        if self.body is not None:
            return self.body
        return "null" if self.status == LIMITED else _PAGE

    def reaches_engine(self, *, limited_commits: bool) -> bool:
        """Whether the request is carried out before the answer goes wrong."""
        if self.do in _MAY_COMMIT:
            limited = self.do == "status" and self.status == LIMITED
            return self.commit if self.commit is not None else limited and limited_commits
        return self.do not in ("drop_before_commit", "commit_later")


class FaultScript:
    """The faults that wait for their request. `counts` says how often each kind struck."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self.counts: Counter[str] = Counter()

    def add(self, body: Any) -> None:
        """Append a fault, or remove all for {"clear": true}. Raises `BadRequest` that names the field."""
        if isinstance(body, dict) and body.get("clear"):
            self._faults.clear()
            return
        try:
            self._faults.append(Fault.model_validate(body))
        except ValidationError as fault:
            first = fault.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise BadRequest(422, f"{where}: {first['msg']}") from fault

    @property
    def waiting(self) -> list[str]:
        """The kinds of those that still wait, in order."""
        return [fault.name for fault in self._faults]

    def take(self, endpoint: str, body: Any) -> Fault | None:
        """The fault that this request meets, used up once."""
        if not self._faults:
            return None
        wanted = _kind(endpoint, body)
        for fault in self._faults:
            if fault.on != endpoint or fault.match.get("type", wanted) != wanted:
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times == 0:
                self._faults.remove(fault)
            self.counts[fault.name] += 1
            return fault
        return None


def _kind(endpoint: str, body: Any) -> str:
    inner = body.get("action") if endpoint == "exchange" and isinstance(body, dict) else body
    return str(inner.get("type")) if isinstance(inner, dict) else ""
