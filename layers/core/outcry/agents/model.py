"""Agents, accounts, deployments and their limits, as the stages use them.

Pure data. Every fraction is a Decimal in [0, 1] (0.05 means five per cent); there is no other unit for risk.
Values are checked where they enter (`desk`), so that these types can be trusted inside.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from outcry.runtime.side import Side


@dataclass(frozen=True, slots=True)
class Author:
    """An X account that is followed. The numeric id is who it is; the username is a label that may change."""

    author_id: int
    username: str


@dataclass(frozen=True, slots=True)
class Follow:
    """An agent listens to an author, with a weight of 0 to 100. Zero hears, and counts for nothing."""

    agent_id: str
    author_id: int
    weight: int


@dataclass(frozen=True, slots=True)
class TakeProfitStep:
    """Close `share` of what was opened once the price moved `at_frac` of the entry in our favour."""

    at_frac: Decimal
    share: Decimal


@dataclass(frozen=True, slots=True)
class Trailing:
    """Once the price moved `activation_frac` in our favour, exit `distance_frac` behind the best price seen.

    `step_frac` is how far the trail must move before the stop that rests at the venue is worth replacing.
    """

    activation_frac: Decimal
    distance_frac: Decimal
    step_frac: Decimal


@dataclass(frozen=True, slots=True)
class ExitRules:
    """An agent's own exits. The stop is mandatory, and a stop that a post states can only be nearer."""

    stop_frac: Decimal
    take_profits: tuple[TakeProfitStep, ...]
    trailing: Trailing | None
    time_limit: timedelta | None
    liquidation_buffer_frac: Decimal
    follow_close_calls: bool


@dataclass(frozen=True, slots=True)
class Sizing:
    """How much to trade: `risk_frac` of equity may be lost at the stop, fees and slippage included."""

    risk_frac: Decimal
    min_stop_frac: Decimal
    max_leverage: int
    max_slippage_frac: Decimal
    max_chase_frac: Decimal


@dataclass(frozen=True, slots=True)
class Strategy:
    """How an agent judges: what it must hear, where and on which sides it acts, how it sizes and exits."""

    min_conviction: Decimal
    min_score: Decimal
    max_call_age: timedelta
    evidence_window: timedelta
    sides: frozenset[Side]
    venues: tuple[str, ...]
    sizing: Sizing
    exits: ExitRules


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on notional in US dollars; None leaves that one out. They bind deployments and accounts alike."""

    per_trade_usd: Decimal
    per_account_usd: Decimal
    per_market_usd: Decimal | None = None
    per_author_usd: Decimal | None = None
    per_agent_usd: Decimal | None = None
    per_day_usd: Decimal | None = None
    max_open_positions: int | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """A strategy under a name."""

    agent_id: str
    name: str
    strategy: Strategy
    is_active: bool


@dataclass(frozen=True, slots=True)
class Account:
    """A place to trade. Its network is always explicit; `paper` accounts trade on paper and nowhere else."""

    account_id: str
    venue: str
    network: str
    address: str
    paper_balance_usd: Decimal | None
    foreign_policy: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Deployment:
    """An agent at work on an account, within its own limits."""

    deployment_id: str
    agent: Agent
    account: Account
    state: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that a desk file says, checked as a whole. `source` is what messages call the file."""

    source: str
    authors: tuple[Author, ...]
    agents: tuple[Agent, ...]
    follows: tuple[Follow, ...]
    accounts: tuple[Account, ...]
    deployments: tuple[Deployment, ...]
