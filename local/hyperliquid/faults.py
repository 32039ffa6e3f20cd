"""Scripted faults: what the wire or the venue's front does wrong, a given number of times.

Promises: a fault matches by endpoint and, when given, by action or info type, in the order in which they
were set; it is used up after `times`. Never changes what the engine does with a request that reaches it.

A fault: {"on": "exchange"|"info", "match": {"type": "order"}, "do": ..., "times": 1, "skip": 0}; `do` is
drop_before_commit  close the connection, the request is lost
drop_after_commit   carry it out, close the connection without an answer
delay_ms            "ms": real milliseconds to wait; "when": "before" (default) | "after" the commit
status              "status": 502, "body": "..."; "commit": true carries it out first
html                a 200 with a page instead of JSON; "commit": true carries it out first
truncate            carry it out, send half of the answer
deliver_twice       carry it out twice, answer with the first result
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from local.hyperliquid.answers import BadRequest

Act = Literal[
    "drop_before_commit", "drop_after_commit", "delay_ms", "status", "html", "truncate", "deliver_twice"
]


class Fault(BaseModel):
    """One scripted fault; see the module's head."""

    model_config = ConfigDict(extra="forbid")

    on: Literal["exchange", "info"]
    do: Act
    match: dict[str, str] = Field(default_factory=dict)
    times: int = Field(default=1, ge=1)
    skip: int = Field(default=0, ge=0)
    ms: int = Field(default=0, ge=0)
    when: Literal["before", "after"] = "before"
    status: int = 502
    body: str = "<html><body>Bad Gateway</body></html>"
    commit: bool = False

    @property
    def reaches_engine(self) -> bool:
        if self.do in ("status", "html"):
            return self.commit
        return self.do != "drop_before_commit"


class FaultScript:
    def __init__(self) -> None:
        self._faults: list[Fault] = []

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

    def take(self, endpoint: str, body: Any) -> Fault | None:
        """The fault that this request meets, used up once."""
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
            return fault
        return None


def _kind(endpoint: str, body: Any) -> str:
    inner = body.get("action") if endpoint == "exchange" and isinstance(body, dict) else body
    return str(inner.get("type")) if isinstance(inner, dict) else ""
