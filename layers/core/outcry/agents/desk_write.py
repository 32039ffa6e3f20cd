"""The desk as a file again: what `parse_desk` reads back as the same desk.

Promises: parsing what is written gives an equal desk, digit by digit; applying it to the database that it came from changes
nothing. Limits of a deployment that are its account's are left out, as a person would write them. Pure.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from outcry.agents.desk_text import Plain
from outcry.agents.model import Account, Agent, Author, Deployment, Desk, Follow, Limits, Strategy

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_MOST_DECIMALS = 12  # of a number that the desk file takes
_CAPS = (
    *("per_trade_usd", "per_account_usd", "per_market_usd"),
    *("per_author_usd", "per_agent_usd", "per_day_usd"),
)


def desk_content(desk: Desk) -> dict[str, Any]:
    """The four lists of a desk file, as data to be written."""
    names = {author.author_id: author.username for author in desk.authors}
    return {
        "authors": [_author(author) for author in desk.authors],
        "agents": [_agent(agent, desk.follows, names) for agent in desk.agents],
        "accounts": [_account(account) for account in desk.accounts],
        "deployments": [_deployment(deployment) for deployment in desk.deployments],
    }


def _author(author: Author) -> dict[str, Any]:
    return {"username": author.username, "author_id": author.author_id}


def _agent(agent: Agent, follows: Sequence[Follow], names: dict[int, str]) -> dict[str, Any]:
    return {
        "id": agent.agent_id,
        "name": agent.name,
        "active": agent.is_active,
        "follows": [
            {"author": names[follow.author_id], "weight": follow.weight}
            for follow in follows
            if follow.agent_id == agent.agent_id
        ],
        "strategy": _strategy(agent.strategy),
    }


def _strategy(strategy: Strategy) -> dict[str, Any]:
    sizing, exits, trailing = strategy.sizing, strategy.exits, strategy.exits.trailing
    rules: dict[str, Any] = {"stop_frac": _fraction(exits.stop_frac)}
    if exits.take_profits:
        rules["take_profits"] = [
            {"at_frac": _fraction(step.at_frac), "share": _fraction(step.share)}
            for step in exits.take_profits
        ]
    if trailing is not None:
        rules["trailing"] = {
            name: _fraction(getattr(trailing, name))
            for name in ("activation_frac", "distance_frac", "step_frac")
        }
    if exits.time_limit is not None:
        rules["time_limit"] = _duration(exits.time_limit)
    return {
        "min_conviction": _fraction(strategy.min_conviction),
        "min_score": _fraction(strategy.min_score),
        "max_call_age": _duration(strategy.max_call_age),
        "evidence_window": _duration(strategy.evidence_window),
        "sides": sorted(side.value for side in strategy.sides),
        "venues": list(strategy.venues),
        "sizing": {
            "risk_frac": _fraction(sizing.risk_frac),
            "min_stop_frac": _fraction(sizing.min_stop_frac),
            "max_leverage": sizing.max_leverage,
            "max_slippage_frac": _fraction(sizing.max_slippage_frac),
            "max_chase_frac": _fraction(sizing.max_chase_frac),
        },
        "exits": {
            **rules,
            "liquidation_buffer_frac": _fraction(exits.liquidation_buffer_frac),
            "follow_close_calls": exits.follow_close_calls,
        },
    }


def _account(account: Account) -> dict[str, Any]:
    written: dict[str, Any] = {"id": account.account_id, "venue": account.venue, "network": account.network}
    if account.address != f"paper:{account.account_id}":
        written["address"] = account.address
    if account.paper_balance_usd is not None:
        written["paper_balance_usd"] = _number(account.paper_balance_usd)
    return {**written, "foreign_policy": account.foreign_policy, "limits": _limits(account.limits)}


def _deployment(deployment: Deployment) -> dict[str, Any]:
    written: dict[str, Any] = {
        "id": deployment.deployment_id,
        "agent": deployment.agent.agent_id,
        "account": deployment.account.account_id,
        "state": deployment.state,
    }
    if deployment.limits != deployment.account.limits:
        written["limits"] = _limits(deployment.limits)
    return written


def _limits(limits: Limits) -> dict[str, Any]:
    caps: dict[str, Any] = {
        name: _number(cap) for name in _CAPS if (cap := getattr(limits, name)) is not None
    }
    if limits.max_open_positions is not None:
        caps["max_open_positions"] = limits.max_open_positions
    return caps


def _number(number: Decimal) -> Plain:
    return Plain(format(number, "f"))


def _fraction(fraction: Decimal) -> Plain:
    """As a share of one; in per cent only where it has more decimals than a number of the file may have."""
    exponent = fraction.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _MOST_DECIMALS:
        return Plain(f"{fraction.scaleb(2):f}%")
    return _number(fraction)


def _duration(span: timedelta) -> Plain:
    seconds = span // timedelta(seconds=1)
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return Plain(f"{seconds // size}{unit}")
