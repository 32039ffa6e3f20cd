"""What of the venue can be chosen: markets, books, fees, and a switch for every answer nobody recorded.

Promises: defaults are the documented or the most recorded behaviour; a wrong key or value is refused with
its path. `markets` in a file is an object of name to changed fields; an unknown name adds a market at the
end, so no asset id ever moves. Never changes after the engine was built.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from local.hyperliquid.universe import LISTINGS, tiers_for


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MarketSpec(_Frozen):
    """One perpetual. Bps are of the mid; `level_usd` is the value resting on one level;
    `funding_rate` is per hour, positive when longs pay."""

    name: str
    sz_decimals: int = Field(ge=0, le=6)
    max_leverage: int = Field(ge=1, le=100)
    initial_mark: Decimal = Field(gt=0)
    only_isolated: bool = False
    delisted: bool = False
    spread_bps: Decimal = Field(default=Decimal(1), ge=0)
    level_step_bps: Decimal = Field(default=Decimal(2), gt=0)
    levels: int = Field(default=20, ge=0, le=20)
    level_usd: Decimal = Field(default=Decimal(250_000), ge=0)
    funding_rate: Decimal = Decimal("0.0000125")

    @property
    def tiers(self) -> tuple[tuple[Decimal, int], ...]:
        return tiers_for(self.max_leverage)


class Switches(_Frozen):
    """Behaviour that is unverified on the real venue, or that a test wants otherwise. Times in ms.

    `clock_skew_ms` is how far the venue's clock is ahead of ours; `fills_step_ms` how much longer each further
    fill of one order takes to be listed; `limited_commits` whether a 429 may follow the execution."""

    network: Literal["Mainnet", "Testnet"] = "Testnet"
    ip_limit: bool = True
    address_limit: bool = True
    address_base_requests: int = 10_000
    expired_burns_nonce: bool = True
    expired_costs: int = 5
    order_status_lag_ms: int = 0
    fills_lag_ms: int = 0
    fills_step_ms: int = 0
    state_lag_ms: int = 0
    orders_lag_ms: int = 0
    clock_skew_ms: int = 0
    limited_commits: bool = False
    duplicate_below_floor: Literal["duplicate", "too_low"] = "duplicate"
    duplicate_open_cloid: Literal["accept", "refuse"] = "accept"
    replaced_agent_text: Literal["does_not_exist", "must_deposit"] = "does_not_exist"
    l1_error_prefix: bool = False
    agent_expiry_lag_ms: int = 900_000
    prune_unfunded_agents: bool = True
    pruned_agent_orders: Literal["kept", "cancelled"] = "kept"
    position_tpsl_zero_size: Literal["refuse", "whole"] = "refuse"
    position_tpsl_grows: bool = False
    failed_modify_keeps_old: bool = True
    partial_gtc_status: Literal["resting", "filled"] = "resting"
    partial_ioc_status: Literal["filled", "canceled"] = "filled"
    statuses_carry_cloid: bool = True
    prevalidation_shape: Literal["statuses", "err"] = "statuses"
    min_notional_price: Literal["limit", "mark"] = "limit"
    no_match_before_min_notional: bool = True
    no_match_before_reduce_only: bool = False
    margin_before_min_notional: bool = False
    liquidation_before_triggers: bool = False
    older_reduce_only_limit_cancelled: bool = True
    older_stop_cancelled: bool = False
    post_only_phase: bool = False
    triggers_find_nothing: bool = False


class VenueConfig(_Frozen):
    """Everything the engine is built from. Rates are fractions of notional."""

    markets: tuple[MarketSpec, ...]
    switches: Switches = Switches()
    taker_fee: Decimal = Decimal("0.00045")
    maker_fee: Decimal = Decimal("0.00015")
    book_refill_ms: int = Field(default=500, ge=0)
    trigger_bound: Decimal = Decimal("0.1")
    seed: int = 7

    @field_validator("markets")
    @classmethod
    def _names_are_unique(cls, markets: tuple[MarketSpec, ...]) -> tuple[MarketSpec, ...]:
        if len({market.name for market in markets}) != len(markets):
            raise ValueError("two markets have the same name")
        return markets


def _default_markets() -> dict[str, dict[str, Any]]:
    return {listing.name: listing._asdict() for listing in LISTINGS}


def build_config(changes: Mapping[str, Any] | None = None) -> VenueConfig:
    """The defaults with `changes` merged in. Raises pydantic's `ValidationError`, which names the field."""
    merged = dict(changes or {})
    markets = _default_markets()
    for name, fields in dict(merged.pop("markets", {})).items():
        markets.setdefault(name, {"name": name}).update(fields)
    return VenueConfig.model_validate({**merged, "markets": tuple(markets.values())})


def load_config(path: Path | None) -> VenueConfig:
    """`build_config` from a JSON file, or the defaults when `path` is None."""
    return build_config(json.loads(path.read_text()) if path is not None else None)
