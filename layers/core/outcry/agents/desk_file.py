"""The desk file as it is written: fields, units and bounds, and the JSON schema that is published for
editors.

Promises: a fraction is written `2%` or `0.02` and nothing else; a duration `90s`, `20m`, `6h`, `2d`; an
amount of dollars as plain digits. Each is read from text, so no amount is ever a float. A field that is not
known is refused. `python -m outcry.agents.desk_file` prints the schema (docs/desk.schema.json).
"""

import json
import re
import sys
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from outcry.runtime.side import Side

_NUMBER = re.compile(r"\d{1,15}(\.\d{1,12})?")
_FRACTION = re.compile(r"(\d{1,6}(?:\.\d{1,12})?) ?(%?)")
_DURATION = re.compile(r"(\d{1,6}) ?([smhd])")
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_USERNAME = re.compile(r"@?([A-Za-z0-9_]{1,15})")
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
MOST_TARGETS = 5
ONE = Decimal(1)


def read_fraction(value: object) -> Decimal:
    """A share or a distance, 0 to 1, from `2%` or `0.02`. Raises ValueError with the fix."""
    match = _FRACTION.fullmatch(str(value)) if isinstance(value, str | Decimal | int) else None
    if match is None or isinstance(value, bool):
        raise ValueError("write a fraction such as 2% or 0.02")
    fraction = Decimal(match[1]) / (100 if match[2] else 1)
    if fraction > ONE:
        meant = (
            f"; for {match[1]} per cent write {match[1]}%"
            if not match[2] and Decimal(match[1]) <= 100
            else ""
        )
        raise ValueError(f"write a fraction from 0 to 1, or 0% to 100%{meant}")
    return fraction


def read_money(value: object) -> Decimal:
    """An amount of US dollars above zero, in plain digits. Raises ValueError with the fix."""
    if isinstance(value, bool) or _NUMBER.fullmatch(str(value)) is None or Decimal(str(value)) == 0:
        raise ValueError("write an amount of US dollars above zero in plain digits, such as 2500 or 99.50")
    return Decimal(str(value))


def read_duration(value: object) -> timedelta:
    """A time span from a whole number and a unit. Raises ValueError with the fix."""
    match = _DURATION.fullmatch(str(value))
    if match is None:
        raise ValueError("write a whole number and a unit, such as 90s, 20m, 6h or 2d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def read_whole(value: object) -> int:
    """A whole number in digits. Raises ValueError with the fix."""
    if isinstance(value, bool) or re.fullmatch(r"\d{1,19}", str(value)) is None:
        raise ValueError("write a whole number in digits")
    return int(str(value))


def read_slug(value: object) -> str:
    """An id. Raises ValueError with the fix."""
    if not isinstance(value, str) or _SLUG.fullmatch(value) is None:
        raise ValueError("write 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit")
    return value


def read_username(value: object) -> str:
    """An X handle, with or without its @. Raises ValueError with the fix."""
    match = _USERNAME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("write an X handle: 1 to 15 letters, digits and _")
    return match[1]


def read_address(value: object) -> str:
    """An address, made lower case: the one form in which addresses are compared.

    Raises ValueError with the fix.
    """
    text = value.lower() if isinstance(value, str) else ""
    if _ADDRESS.fullmatch(text) is None:
        raise ValueError("write 0x and 40 hex digits, in quotes")
    return text


def _schema(pattern: re.Pattern[str], *other: str) -> WithJsonSchema:
    text = {"type": "string", "pattern": f"^{pattern.pattern}$"}
    return WithJsonSchema({"anyOf": [{"type": kind} for kind in other] + [text]} if other else text)


Fraction = Annotated[Decimal, BeforeValidator(read_fraction), _schema(_FRACTION, "number")]
Positive = Annotated[Fraction, Field(gt=0)]
Money = Annotated[Decimal, BeforeValidator(read_money), _schema(_NUMBER, "number")]
Duration = Annotated[timedelta, BeforeValidator(read_duration), _schema(_DURATION)]
Whole = Annotated[int, BeforeValidator(read_whole), WithJsonSchema({"type": "integer", "minimum": 0})]
Slug = Annotated[str, BeforeValidator(read_slug), _schema(_SLUG)]
Username = Annotated[str, BeforeValidator(read_username), _schema(_USERNAME)]
Address = Annotated[
    str, BeforeValidator(read_address), WithJsonSchema({"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"})
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AuthorFile(_Part):
    """An X account to listen to."""

    username: Username
    author_id: Annotated[
        Whole, Field(gt=0, lt=2**63, description="The numeric X user id: it stays when the handle changes.")
    ]


class FollowFile(_Part):
    """Listen to an author with a weight of 0 to 100."""

    author: Username
    weight: Annotated[Whole, Field(le=100)]


class StepFile(_Part):
    """Close `share` of what was opened once the price moved `at_frac` of the entry in our favour."""

    at_frac: Positive
    share: Annotated[Fraction, Field(ge=Decimal("0.01"))]


class TrailingFile(_Part):
    """Once `activation_frac` ahead, exit `distance_frac` behind the best price.

    `step_frac` is how far the trail moves before the stop at the venue is moved after it.
    """

    activation_frac: Positive
    distance_frac: Positive
    step_frac: Positive


class ExitsFile(_Part):
    """How a position ends. The stop is mandatory."""

    stop_frac: Annotated[Positive, Field(le=Decimal("0.5"))]
    take_profits: list[StepFile] = []
    trailing: TrailingFile | None = None
    time_limit: Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=30))] | None = None
    liquidation_buffer_frac: Annotated[Positive, Field(le=Decimal("0.2"))] = Decimal("0.01")
    follow_close_calls: bool = True

    @field_validator("take_profits")
    @classmethod
    def _ladder(cls, steps: list[StepFile]) -> list[StepFile]:
        if len(steps) > MOST_TARGETS:
            raise ValueError(f"keep at most {MOST_TARGETS} steps")
        if any(nearer.at_frac >= farther.at_frac for nearer, farther in pairwise(steps)):
            raise ValueError(
                "order the steps from the nearest to the farthest, each further than the one before"
            )
        total = sum((step.share for step in steps), Decimal(0))
        if total > ONE:
            raise ValueError(f"the shares sum to {total}: lower them to 1 (100%) together")
        return steps


class SizingFile(_Part):
    """How much to trade: `risk_frac` of equity may be lost at the stop, fees and slippage included."""

    risk_frac: Annotated[Positive, Field(le=Decimal("0.05"))] = Decimal("0.005")
    min_stop_frac: Annotated[Fraction, Field(ge=Decimal("0.002"), le=Decimal("0.5"))] = Decimal("0.01")
    max_leverage: Annotated[Whole, Field(ge=1, le=50)]
    max_slippage_frac: Annotated[Positive, Field(le=Decimal("0.05"))]
    max_chase_frac: Annotated[Positive, Field(le=Decimal("0.1"))]


class StrategyFile(_Part):
    """What an agent needs to hear, on which sides and venues it acts, how it sizes and exits."""

    min_conviction: Fraction
    min_score: Positive
    max_call_age: Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=1))]
    evidence_window: Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=7))]
    sides: Annotated[list[Side], Field(min_length=1)]
    venues: Annotated[list[Literal["hyperliquid"]], Field(min_length=1)]
    sizing: SizingFile
    exits: ExitsFile


class AgentFile(_Part):
    """A strategy under a name, and whom it follows."""

    id: Slug
    name: Annotated[str, Field(min_length=1, max_length=80)]
    active: bool = True
    follows: Annotated[list[FollowFile], Field(min_length=1)]
    strategy: StrategyFile


class LimitsFile(_Part):
    """Caps on notional in US dollars; what is left out does not bind."""

    per_trade_usd: Money
    per_account_usd: Money
    per_market_usd: Money | None = None
    per_author_usd: Money | None = None
    per_agent_usd: Money | None = None
    per_day_usd: Money | None = None
    max_open_positions: Annotated[Whole, Field(ge=1)] | None = None


class AccountFile(_Part):
    """A place to trade. The network is always stated; a paper account trades on paper and nowhere else."""

    id: Slug
    venue: Literal["hyperliquid", "paper"]
    network: Literal["mainnet", "testnet", "local", "paper"]
    address: Address | None = None
    paper_balance_usd: Money | None = None
    foreign_policy: Literal["observe"] = "observe"
    limits: LimitsFile


class DeploymentFile(_Part):
    """An agent at work on an account. Without limits of its own the account's hold."""

    id: Slug
    agent: Slug
    account: Slug
    state: Literal["ACTIVE", "REDUCING", "HALTED"] = "ACTIVE"
    limits: LimitsFile | None = None


class DeskFile(_Part):
    """The whole desk: whom it listens to, how it judges, where it trades, within which limits."""

    authors: Annotated[list[AuthorFile], Field(min_length=1)]
    agents: Annotated[list[AgentFile], Field(min_length=1)]
    accounts: Annotated[list[AccountFile], Field(min_length=1)]
    deployments: Annotated[list[DeploymentFile], Field(min_length=1)]


def desk_schema() -> dict[str, Any]:
    """The JSON schema of the desk file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **DeskFile.model_json_schema()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(desk_schema(), indent=2) + "\n")
