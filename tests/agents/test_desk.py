"""The desk file: what reads well is whole, and what does not is told field by field with the fix."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from outcry.agents.desk import parse_desk
from outcry.agents.desk_checks import liquidation_distance
from outcry.agents.desk_file import desk_schema
from outcry.agents.desk_problem import DeskError, DeskProblem, field_name
from outcry.agents.desk_text import DEEPEST, read_text
from outcry.agents.stored import limits_from_json, limits_to_json, strategy_from_json, strategy_to_json
from outcry.runtime.side import Side

GOOD = """
authors:
  - { username: "@Ann", author_id: 11 }
  - { username: ben, author_id: 12 }
agents:
  - id: one
    name: One
    follows:
      - { author: ann, weight: 80 }
      - { author: ben, weight: 0 }
    strategy:
      min_conviction: 0.5
      min_score: 30%
      max_call_age: 10m
      evidence_window: 2h
      sides: [LONG, SHORT]
      venues: [hyperliquid]
      sizing: { risk_frac: 0.5%, max_leverage: 5, max_slippage_frac: 0.5%, max_chase_frac: 1% }
      exits:
        stop_frac: 2%
        take_profits:
          - { at_frac: 3%, share: 50% }
          - { at_frac: 6%, share: 0.5 }
        trailing: { activation_frac: 2%, distance_frac: 1%, step_frac: 0.25% }
        time_limit: 90m
accounts:
  - id: live
    venue: hyperliquid
    network: local
    address: 0xF39FD6E51AAD88F6F4CE6AB8827279CFFFB92266
    limits: { per_trade_usd: 500, per_account_usd: 2000.50 }
  - id: play
    venue: paper
    network: paper
    paper_balance_usd: 10000
    limits: { per_trade_usd: 500, per_account_usd: 2000, max_open_positions: 3 }
deployments:
  - { id: one-live, agent: one, account: live }
  - id: one-play
    agent: one
    account: play
    state: REDUCING
    limits: { per_trade_usd: 100, per_account_usd: 300 }
"""


def problems(text: str) -> list[DeskProblem]:
    with pytest.raises(DeskError) as caught:
        parse_desk(text, "desk.yaml")
    return list(caught.value.problems)


def test_a_good_desk_becomes_plain_values_with_exact_decimals() -> None:
    desk = parse_desk(GOOD, "desk.yaml")

    strategy = desk.agents[0].strategy
    assert strategy.min_score == Decimal("0.3")
    assert strategy.sizing.risk_frac == Decimal("0.005")
    assert strategy.sizing.min_stop_frac == Decimal("0.01")
    assert strategy.exits.take_profits[1].share == Decimal("0.5")
    assert strategy.exits.time_limit == timedelta(minutes=90)
    assert strategy.sides == {Side.LONG, Side.SHORT}
    assert [(follow.author_id, follow.weight) for follow in desk.follows] == [(11, 80), (12, 0)]
    assert desk.accounts[0].limits.per_account_usd == Decimal("2000.50")
    assert desk.authors[0].username == "Ann"


def test_f27_addresses_are_lower_case_whatever_was_written() -> None:
    desk = parse_desk(GOOD, "desk.yaml")

    assert desk.accounts[0].address == "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    assert desk.accounts[1].address == "paper:play"


def test_a_deployment_without_limits_has_the_accounts() -> None:
    live, play = parse_desk(GOOD, "desk.yaml").deployments

    assert live.limits == live.account.limits
    assert live.state == "ACTIVE"
    assert play.limits.per_trade_usd == Decimal(100)
    assert play.state == "REDUCING"


WRONG = [
    ("weight: 80", "weight: 101", "agents[0].follows[0].weight", "at most 100"),
    ("weight: 80", "weight: 0", "agents[0].follows", "weight above 0"),
    ("author: ben", "author: cyd", "agents[0].follows[1].author", "add this author"),
    ("author: ben", "author: ANN", "agents[0].follows[1].author", "followed twice"),
    ("username: ben", "username: ann", "authors[1].username", "authors[0] has it already"),
    ("username: ben", "username: b-e-n", "authors[1].username", "X handle"),
    ("author_id: 12", "author_id: 11", "authors[1].author_id", "authors[0] has it already"),
    ("author_id: 12", "author_id: twelve", "authors[1].author_id", "whole number"),
    ("author_id: 12", "author_id: 0", "authors[1].author_id", "more than 0"),
    ("author_id: 12", "author_id: 9223372036854775808", "authors[1].author_id", "less than"),
    ("min_conviction: 0.5", "min_conviction: 1.5", "agents[0].strategy.min_conviction", "from 0 to 1"),
    ("min_conviction: 0.5", "min_conviction: -1", "agents[0].strategy.min_conviction", "such as 2% or 0.02"),
    ("min_conviction: 0.5", "min_conviction: nan", "agents[0].strategy.min_conviction", "such as 2% or 0.02"),
    ("min_conviction: 0.5", "min_conviction: true", "agents[0].strategy.min_conviction", "such as 2% or 0.02"),
    ("min_score: 30%", "min_score: 0", "agents[0].strategy.min_score", "more than 0"),
    ("max_call_age: 10m", "max_call_age: 600", "agents[0].strategy.max_call_age", "20m"),
    ("max_call_age: 10m", "max_call_age: 2d", "agents[0].strategy.max_call_age", "at most"),
    ("max_call_age: 10m", "max_call_age: 3h", "agents[0].strategy.evidence_window", "at least max_call_age"),
    ("[LONG, SHORT]", "[LONG, LONG]", "agents[0].strategy.sides", "once"),
    ("[LONG, SHORT]", "[LONG, UP]", "agents[0].strategy.sides[1]", "'LONG' or 'SHORT'"),
    ("[LONG, SHORT]", "[]", "agents[0].strategy.sides", "at least 1"),
    ("[LONG, SHORT]", "LONG", "agents[0].strategy.sides", "list"),
    ("venues: [hyperliquid]", "venues: [paper]", "agents[0].strategy.venues[0]", "'hyperliquid'"),
    ("sizing: {", "sizing: 5 #{", "agents[0].strategy.sizing", "fields of this part"),
    ("max_leverage: 5", "max_leverage: 2.5", "agents[0].strategy.sizing.max_leverage", "whole number"),
    ("max_leverage: 5", "max_leverage: 40", "agents[0].strategy.exits.stop_frac", "liquidated 1.23%"),
    ("max_slippage_frac: 0.5%", "max_slippage_frac: 50%", "agents[0].strategy.sizing.max_slippage_frac", "at most"),
    (" max_chase_frac: 1%", " ", "agents[0].strategy.sizing.max_chase_frac", "add it"),
    ("share: 0.5 }", "share: 60% }", "agents[0].strategy.exits.take_profits", "sum to 1.1"),
    ("at_frac: 6%", "at_frac: 3%", "agents[0].strategy.exits.take_profits", "nearest to the farthest"),
    ("distance_frac: 1%", "distance_frac: 3%", "agents[0].strategy.exits.trailing.distance_frac", "losing side"),
    ("step_frac: 0.25%", "step_frac: 1.5%", "agents[0].strategy.exits.trailing.step_frac", "at most distance_frac"),
    ("time_limit: 90m", "time_limi: 90m", "agents[0].strategy.exits.time_limi", "spelling"),
    ("name: One", "name: One\n    active: maybe", "agents[0].active", "true or false"),
    ("id: one\n", "id: One!\n", "agents[0].id", "a-z"),
    ("network: local", "network: paper", "accounts[0].network", "mainnet, testnet or local"),
    ("network: paper", "network: local", "accounts[1].network", "network: paper"),
    ("    network: local\n", "", "accounts[0].network", "add it"),
    ("    paper_balance_usd: 10000\n", "", "accounts[1].paper_balance_usd", "virtual dollars"),
    ("network: local", "network: local\n    paper_balance_usd: 5", "accounts[0].paper_balance_usd", "remove it"),
    ("    address: 0xF39FD6E51AAD88F6F4CE6AB8827279CFFFB92266\n", "", "accounts[0].address", "master address"),
    ("CFFFB92266", "CFFFB9226", "accounts[0].address", "40 hex digits"),
    ("per_trade_usd: 500, per_account_usd: 2000.50", "per_trade_usd: 1e3, per_account_usd: 2000.50",
     "accounts[0].limits.per_trade_usd", "plain digits"),
    ("per_trade_usd: 100", "per_trade_usd: 400", "deployments[1].limits.per_trade_usd", "at most per_account_usd"),
    ("agent: one\n", "agent: two\n", "deployments[1].agent", "add this agent"),
    ("account: play", "account: fun", "deployments[1].account", "add this account"),
    ("account: play", "account: live", "deployments[1].agent", "one-live has this agent"),
    ("id: one-play", "id: one-live", "deployments[1].id", "deployments[0] has it already"),
    ("id: play", "id: live", "accounts[1].id", "accounts[0] has it already"),
    ("deployments:", "deployment:", "deployment", "correct its spelling"),
    ("state: REDUCING", "state: REDUCING\n    state: HALTED", "deployments[1].state", "keep one of the two"),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "field", "fix"), WRONG)
def test_what_is_wrong_is_named_with_its_field_its_line_and_the_fix(
    good: str, bad: str, field: str, fix: str
) -> None:
    assert good in GOOD
    text = GOOD.replace(good, bad, 1)

    found = [problem for problem in problems(text) if problem.field == field]

    assert found, problems(text)
    assert fix in found[0].fix
    assert found[0].line is not None
    assert 1 <= found[0].line <= text.count("\n") + 1
    assert str(found[0]).startswith(f"desk.yaml:{found[0].line}: {field} ")


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        GOOD.replace("weight: 80", "weight: 900")
        .replace("stop_frac: 2%", "stop_frac: 5")
        .replace("play }", "x }")
    )
    text = text.replace("network: paper", "network: mainnet").replace("account: live", "account: gone")

    found = problems(text)

    assert [problem.field for problem in found] == [
        "agents[0].follows[0].weight",
        "agents[0].strategy.exits.stop_frac",
        "accounts[1].network",
        "deployments[0].account",
    ]
    assert str(DeskError(found)).count("\n") == 3


def test_a_part_with_a_fault_of_its_own_is_not_reported_as_unknown_too() -> None:
    found = problems(GOOD.replace("weight: 80", "weight: 900"))

    assert [problem.field for problem in found] == ["agents[0].follows[0].weight"]


def test_f33_a_stop_of_5_is_never_read_as_five_percent_or_as_a_price() -> None:
    (found,) = problems(GOOD.replace("stop_frac: 2%", "stop_frac: 5"))

    assert "for 5 per cent write 5%" in found.fix


@pytest.mark.parametrize("venue", ["gmx", "spot", "safe"])
def test_f10_f18_no_account_can_lie_on_a_chain(venue: str) -> None:
    (found,) = problems(GOOD.replace("venue: hyperliquid", f"venue: {venue}", 1))

    assert found.field == "accounts[0].venue"
    assert "'hyperliquid' or 'paper'" in found.fix


def test_f8_the_same_place_under_two_account_ids_is_refused() -> None:
    second = """
  - id: again
    venue: hyperliquid
    network: local
    address: 0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266
    limits: { per_trade_usd: 1, per_account_usd: 1 }
deployments:"""

    (found,) = problems(GOOD.replace("\ndeployments:", second))

    assert found.field == "accounts[2].address"
    assert "live is the same place" in found.fix


def test_six_targets_are_one_too_many() -> None:
    steps = "".join(f"          - {{ at_frac: {n}%, share: 10% }}\n" for n in range(1, 7))
    text = GOOD.replace(
        "          - { at_frac: 3%, share: 50% }\n          - { at_frac: 6%, share: 0.5 }\n", steps
    )

    (found,) = problems(text)

    assert "at most 5 steps" in found.fix


def test_exits_without_trail_and_without_time_limit_are_allowed() -> None:
    text = GOOD.replace(
        "        trailing: { activation_frac: 2%, distance_frac: 1%, step_frac: 0.25% }\n", ""
    )

    exits = parse_desk(text.replace("        time_limit: 90m\n", ""), "desk.yaml").agents[0].strategy.exits

    assert exits.trailing is None
    assert exits.time_limit is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "write the four lists"),
        ("- a\n- b\n", "write the four lists"),
        ("authors: [\n", "mend this line"),
        ("\x00", "mend this line"),
        ("a: &a [*a]\n", "without end"),
        ("[" * 3000, "without end"),
        ("a: " + "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "without end"),
        ("authors: 5\n", "at least one entry"),
        ("authors: []\n", "at least one entry"),
        ("authors: [5]\n", "fields of this part"),
    ],
)
def test_what_is_no_desk_at_all_is_refused_in_words(text: str, says: str) -> None:
    assert says in "\n".join(str(problem) for problem in problems(text))


def test_numbers_keep_their_text_and_only_null_and_booleans_are_read() -> None:
    read = read_text("a: 0.10\nb: 1e3\nc: null\nd: yes\ne: off\nf: 2026-01-01\n", "x")

    assert read.content == {"a": "0.10", "b": "1e3", "c": None, "d": True, "e": False, "f": "2026-01-01"}
    assert read.line_of(("e", "deeper")) == 5
    assert read.line_of(()) == 1


def test_a_json_file_is_a_desk_file_too() -> None:
    desk = parse_desk(GOOD, "desk.yaml")
    as_json = json.dumps(read_text(GOOD, "x").content, indent=1)

    assert parse_desk(as_json, "desk.yaml") == desk


def test_paths_read_as_people_write_them() -> None:
    assert field_name(()) == "the file"
    assert field_name(("agents", 0, "id")) == "agents[0].id"
    assert str(DeskProblem("f", None, "a", None, "add it")) == "f: a is missing: add it"


def test_a_long_value_is_cut_in_the_message() -> None:
    (found,) = problems(GOOD.replace("id: one-play", "id: " + "X" * 200))

    assert found.value is not None
    assert len(found.value) == 60


def test_liquidation_is_nearest_on_a_market_that_allows_no_more_leverage() -> None:
    assert liquidation_distance(1) == 1 / Decimal(3)
    assert liquidation_distance(10) == 1 / Decimal(21)


def test_strategies_and_limits_come_back_from_json_as_they_were() -> None:
    desk = parse_desk(GOOD, "desk.yaml")
    plain = parse_desk(
        GOOD.replace(
            "        trailing: { activation_frac: 2%, distance_frac: 1%, step_frac: 0.25% }\n", ""
        ).replace("        time_limit: 90m\n", ""),
        "desk.yaml",
    )

    for agent in (*desk.agents, *plain.agents):
        assert strategy_from_json(json.loads(json.dumps(strategy_to_json(agent.strategy)))) == agent.strategy
    for account in desk.accounts:
        assert limits_from_json(json.loads(json.dumps(limits_to_json(account.limits)))) == account.limits
    with pytest.raises(KeyError, match="per_trade_usd"):
        limits_from_json({})


def test_the_sample_desk_is_good_and_has_what_the_demo_shows(repository: Path) -> None:
    desk = parse_desk((repository / "local/samples/desk.yaml").read_text(), "desk.yaml")

    live = [deployment for deployment in desk.deployments if deployment.account.network == "local"]
    assert len(desk.authors) == 6
    assert len(desk.agents) == 3
    assert {account.venue for account in desk.accounts} == {"hyperliquid", "paper"}
    assert {deployment.agent.agent_id for deployment in desk.deployments} == {
        agent.agent_id for agent in desk.agents
    }
    assert len({deployment.agent.agent_id for deployment in live}) >= 2


def test_the_published_schema_is_current(repository: Path) -> None:
    published = (repository / "docs/desk.schema.json").read_text()

    assert published == json.dumps(desk_schema(), indent=2) + "\n", (
        "run: python -m outcry.agents.desk_file > docs/desk.schema.json"
    )


def test_the_published_schema_is_closed_and_knows_every_part() -> None:
    schema = desk_schema()

    assert schema["required"] == ["authors", "agents", "accounts", "deployments"]
    assert all(
        part.get("additionalProperties") is False for name, part in schema["$defs"].items() if name != "Side"
    )


@pytest.mark.parametrize("network", ["mainnet", "testnet"])
def test_f25_an_address_that_anyone_can_sign_for_is_refused_where_others_can_reach_it(network: str) -> None:
    with pytest.raises(DeskError) as refused:
        parse_desk(GOOD.replace("network: local", f"network: {network}"), "desk.yaml")

    (found,) = refused.value.problems
    assert found.field == "accounts[0].address"
    assert "anyone can sign for it" in str(refused.value)
