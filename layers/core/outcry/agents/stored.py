"""Strategies and limits as they are stored: JSON with decimals as text and durations in whole seconds.

Pure. Promises: what goes in comes out the same; anything else that is found raises KeyError or ValueError.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from outcry.agents.model import ExitRules, Limits, Sizing, Strategy, TakeProfitStep, Trailing
from outcry.runtime.side import Side

_CAPS = (
    "per_trade_usd",
    "per_account_usd",
    "per_market_usd",
    "per_author_usd",
    "per_agent_usd",
    "per_day_usd",
)


def strategy_to_json(strategy: Strategy) -> dict[str, Any]:
    """As stored with the agent."""
    sizing, exits, trailing = strategy.sizing, strategy.exits, strategy.exits.trailing
    return {
        "min_conviction": str(strategy.min_conviction),
        "min_score": str(strategy.min_score),
        "max_call_age_s": _seconds(strategy.max_call_age),
        "evidence_window_s": _seconds(strategy.evidence_window),
        "sides": sorted(side.value for side in strategy.sides),
        "venues": list(strategy.venues),
        "sizing": {
            "risk_frac": str(sizing.risk_frac),
            "min_stop_frac": str(sizing.min_stop_frac),
            "max_leverage": sizing.max_leverage,
            "max_slippage_frac": str(sizing.max_slippage_frac),
            "max_chase_frac": str(sizing.max_chase_frac),
        },
        "exits": {
            "stop_frac": str(exits.stop_frac),
            "take_profits": [
                {"at_frac": str(step.at_frac), "share": str(step.share)} for step in exits.take_profits
            ],
            "trailing": None
            if trailing is None
            else {
                "activation_frac": str(trailing.activation_frac),
                "distance_frac": str(trailing.distance_frac),
                "step_frac": str(trailing.step_frac),
            },
            "time_limit_s": None if exits.time_limit is None else _seconds(exits.time_limit),
            "liquidation_buffer_frac": str(exits.liquidation_buffer_frac),
            "follow_close_calls": exits.follow_close_calls,
        },
    }


def strategy_from_json(stored: dict[str, Any]) -> Strategy:
    """The strategy as it was stored."""
    sizing, exits = stored["sizing"], stored["exits"]
    trailing, limit_s = exits["trailing"], exits["time_limit_s"]
    return Strategy(
        min_conviction=Decimal(stored["min_conviction"]),
        min_score=Decimal(stored["min_score"]),
        max_call_age=timedelta(seconds=stored["max_call_age_s"]),
        evidence_window=timedelta(seconds=stored["evidence_window_s"]),
        sides=frozenset(Side(side) for side in stored["sides"]),
        venues=tuple(stored["venues"]),
        sizing=Sizing(
            risk_frac=Decimal(sizing["risk_frac"]),
            min_stop_frac=Decimal(sizing["min_stop_frac"]),
            max_leverage=int(sizing["max_leverage"]),
            max_slippage_frac=Decimal(sizing["max_slippage_frac"]),
            max_chase_frac=Decimal(sizing["max_chase_frac"]),
        ),
        exits=ExitRules(
            stop_frac=Decimal(exits["stop_frac"]),
            take_profits=tuple(
                TakeProfitStep(Decimal(step["at_frac"]), Decimal(step["share"]))
                for step in exits["take_profits"]
            ),
            trailing=None
            if trailing is None
            else Trailing(**{name: Decimal(value) for name, value in trailing.items()}),
            time_limit=None if limit_s is None else timedelta(seconds=limit_s),
            liquidation_buffer_frac=Decimal(exits["liquidation_buffer_frac"]),
            follow_close_calls=bool(exits["follow_close_calls"]),
        ),
    )


def limits_to_json(limits: Limits) -> dict[str, Any]:
    """As stored with the account or the deployment; a cap that does not bind is left out."""
    caps: dict[str, Any] = {name: str(cap) for name in _CAPS if (cap := getattr(limits, name)) is not None}
    if limits.max_open_positions is not None:
        caps["max_open_positions"] = limits.max_open_positions
    return caps


def limits_from_json(stored: dict[str, Any]) -> Limits:
    """The limits as they were stored."""
    caps: dict[str, Any] = {name: Decimal(stored[name]) for name in _CAPS if name in stored}
    if "per_trade_usd" not in caps or "per_account_usd" not in caps:
        raise KeyError("limits need per_trade_usd and per_account_usd")
    return Limits(**caps, max_open_positions=stored.get("max_open_positions"))


def _seconds(span: timedelta) -> int:
    return span // timedelta(seconds=1)
