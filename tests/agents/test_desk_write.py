"""A desk that was written reads back as the same desk, and applying what was exported changes nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcry.agents import roster
from outcry.agents.desk import Desk, parse_desk
from outcry.agents.desk_text import write_text
from outcry.agents.desk_write import desk_content
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Database, Transaction

LATER = datetime(2026, 1, 6, tzinfo=UTC)
TABLES = ("authors", "agents", "follows", "accounts", "deployments")


def again(desk: Desk) -> Desk:
    return parse_desk(write_text(desk_content(desk)), desk.source)


# ─── desks, as people might write them ──────────────────────────────────────────────────────────────────────


def share(low: int, high: int) -> st.SearchStrategy[str]:
    """A fraction between `low` and `high` hundredths of a per cent, written in one of its ways."""
    decimals = st.sampled_from(["", "0", "00000001", "000000000001"])
    return st.builds(
        lambda whole, tail, in_percent: (
            f"{whole // 100}.{whole % 100:02d}{tail[:10]}%" if in_percent else f"0.{whole:04d}{tail[:8]}"
        ),
        st.integers(low, high),
        decimals,
        st.booleans(),
    )


def limits() -> st.SearchStrategy[dict[str, Any]]:
    cap = st.sampled_from(["500", "99.50", "2500", "1200.000000000001"])
    return st.builds(
        lambda trade, account, caps: {"per_trade_usd": trade, "per_account_usd": account, **caps},
        st.sampled_from(["100", "99.5"]),
        st.sampled_from(["5000", "5000.10"]),
        st.fixed_dictionaries(
            {}, optional={"per_market_usd": cap, "per_day_usd": cap, "max_open_positions": st.integers(1, 9)}
        ),
    )


def strategies() -> st.SearchStrategy[dict[str, Any]]:
    exits = st.fixed_dictionaries(
        {"stop_frac": share(100, 300)},
        optional={
            "take_profits": st.just([{"at_frac": "3%", "share": "0.5"}, {"at_frac": "0.06", "share": "50%"}]),
            "trailing": st.fixed_dictionaries(
                {
                    "activation_frac": share(300, 500),
                    "distance_frac": share(100, 200),
                    "step_frac": share(10, 90),
                }
            ),
            "time_limit": st.sampled_from(["60s", "90m", "30d", "36h"]),
            "liquidation_buffer_frac": share(10, 90),
            "follow_close_calls": st.booleans(),
        },
    )
    sizing = st.fixed_dictionaries(
        {
            "max_leverage": st.integers(1, 5),
            "max_slippage_frac": share(1, 400),
            "max_chase_frac": share(1, 900),
        },
        optional={"risk_frac": share(1, 400), "min_stop_frac": share(20, 900)},
    )
    return st.fixed_dictionaries(
        {
            "min_conviction": share(0, 9999),
            "min_score": share(1, 9999),
            "max_call_age": st.sampled_from(["10m", "61s", "1h"]),
            "evidence_window": st.sampled_from(["2h", "90000s", "7d"]),
            "sides": st.sampled_from([["LONG"], ["SHORT", "LONG"]]),
            "venues": st.just(["hyperliquid"]),
            "sizing": sizing,
            "exits": exits,
        }
    )


@st.composite
def desks(draw: st.DrawFn) -> Desk:
    names = draw(
        st.lists(st.sampled_from(["ann", "Ben", "null", "true", "1234", "no"]), min_size=1, unique=True)
    )
    agents = draw(st.lists(st.sampled_from(["one", "2e5", "off", "a-b_c"]), min_size=1, unique=True))
    title = st.text(
        st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=80
    )
    content = {
        "authors": [{"username": name, "author_id": 10**18 + place} for place, name in enumerate(names)],
        "agents": [
            {
                "id": name,
                "name": draw(title),
                "active": draw(st.booleans()),
                "follows": [
                    {"author": author, "weight": draw(st.integers(1, 100))}
                    for author in draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
                ],
                "strategy": draw(strategies()),
            }
            for name in agents
        ],
        "accounts": [
            {
                "id": "live",
                "venue": "hyperliquid",
                "network": "local",
                "address": "0x" + "12" * 20,
                "limits": draw(limits()),
            },
            {
                "id": "play",
                "venue": "paper",
                "network": "paper",
                "paper_balance_usd": draw(st.sampled_from(["10000", "99.50"])),
                "limits": draw(limits()),
            },
        ],
        "deployments": [
            {
                "id": f"{name}-{account}",
                "agent": name,
                "account": account,
                "state": draw(st.sampled_from(["ACTIVE", "REDUCING", "HALTED"])),
                **({"limits": draw(limits())} if draw(st.booleans()) else {}),
            }
            for name in agents
            for account in ("live", "play")
        ],
    }
    return parse_desk(write_text(content), "desk.yaml")


# ─── written and read ───────────────────────────────────────────────────────────────────────────────────────


@given(desk=desks())
def test_what_is_written_reads_back_as_the_same_desk(desk: Desk) -> None:
    assert again(desk) == desk


def test_numbers_are_written_as_people_write_them(repository: Path) -> None:
    sample = parse_desk((repository / "local" / "samples" / "desk.yaml").read_text(), "desk.yaml")

    text = write_text(desk_content(sample))

    assert "min_conviction: 0.6\n" in text
    assert "max_call_age: 15m\n" in text
    assert "per_trade_usd: " in text
    assert "'" not in text.replace("'0x", "").replace("'\n", "\n")  # addresses alone are quoted
    assert again(sample) == sample


# ─── exported and applied ───────────────────────────────────────────────────────────────────────────────────


def everything(tx: Transaction) -> dict[str, list[Any]]:
    return {table: sorted(map(repr, tx.all(f"select * from {table}"))) for table in TABLES}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(first=desks(), second=desks())
def test_applying_what_was_exported_changes_not_one_row(
    database: Database, first: Desk, second: Desk
) -> None:
    """The second file leaves behind what only the first one had: switched off, and not exported."""
    with database.transaction() as tx:
        tx.script("truncate authors, agents, accounts cascade")
        roster.apply_desk(tx, first, LATER - timedelta(days=1))
        roster.apply_desk(tx, second, LATER - timedelta(hours=1))
        before = everything(tx)

        exported = write_text(desk_content(roster.desk_in_force(tx, "export")))
        roster.apply_desk(tx, parse_desk(exported, "export"), LATER)

        assert everything(tx) == before


def test_an_agent_that_left_the_file_is_not_exported_with_its_deployments(
    database: Database, clock: FixedClock, repository: Path
) -> None:
    text = (repository / "local" / "samples" / "desk.yaml").read_text()
    desk = parse_desk(text, "desk.yaml")
    left = desk.agents[0].agent_id
    smaller = Desk(
        source=desk.source,
        authors=desk.authors,
        agents=desk.agents[1:],
        follows=tuple(each for each in desk.follows if each.agent_id != left),
        accounts=desk.accounts,
        deployments=tuple(each for each in desk.deployments if each.agent.agent_id != left),
    )
    with database.transaction() as tx:
        roster.apply_desk(tx, desk, clock.now())
        roster.apply_desk(tx, smaller, clock.now())

        exported = roster.desk_in_force(tx, desk.source)

    assert left not in {each.agent_id for each in exported.agents}
    assert {each.deployment_id for each in exported.deployments} == {
        each.deployment_id for each in smaller.deployments
    }
