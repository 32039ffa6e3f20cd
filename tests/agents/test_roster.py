"""The desk in Postgres: applied, applied again, and read by the other rooms."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from outcry.agents import roster
from outcry.agents.desk import parse_desk
from outcry.agents.desk_problem import DeskError
from outcry.agents.model import Desk
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Database, Transaction


@pytest.fixture
def desk(repository: Path) -> Desk:
    return parse_desk((repository / "local/samples/desk.yaml").read_text(), "desk.yaml")


def everything(tx: Transaction) -> dict[str, list[object]]:
    return {
        table: [dict(row) for row in tx.all(f"select * from {table} order by 1, 2")]
        for table in ("authors", "agents", "follows", "accounts", "deployments")
    }


def test_what_was_applied_is_what_other_rooms_read(database: Database, clock: FixedClock, desk: Desk) -> None:
    with database.transaction() as tx:
        roster.apply_desk(tx, desk, clock.now())

    with database.transaction() as tx:
        assert roster.accounts(tx) == sorted(desk.accounts, key=lambda account: account.account_id)
        for account in desk.accounts:
            assert roster.account(tx, account.account_id) == account
        for agent in desk.agents:
            assert roster.agent(tx, agent.agent_id) == agent
        for deployment in desk.deployments:
            assert roster.deployment(tx, deployment.deployment_id) == deployment
        assert roster.account(tx, "none") is None
        assert roster.agent(tx, "none") is None
        assert roster.deployment(tx, "none") is None


def test_f26_an_agent_is_at_work_on_every_account_it_is_deployed_on(
    database: Database, clock: FixedClock, desk: Desk
) -> None:
    with database.transaction() as tx:
        roster.apply_desk(tx, desk, clock.now())

        found = roster.active_deployments(tx, "compass")
        by_agent = roster.active_deployments_of(tx, ["compass", "harbour", "none"])

    assert [each.deployment_id for each in found] == ["compass-live", "compass-paper"]
    assert by_agent["compass"] == found
    assert set(by_agent) == {"compass", "harbour"}


def test_followers_come_with_their_weight_and_weights_by_agent(
    database: Database, clock: FixedClock, desk: Desk
) -> None:
    anders = next(author for author in desk.authors if author.username == "alt_anders")
    with database.transaction() as tx:
        roster.apply_desk(tx, desk, clock.now())

        following = roster.agents_following(tx, anders.author_id)
        weights = roster.weights(tx, ["compass", "spark", "harbour"], [anders.author_id])
        names = roster.usernames(tx, [anders.author_id, 1])

    assert [(agent.agent_id, weight) for agent, weight in following] == [("compass", 70), ("spark", 0)]
    assert weights == {"compass": {anders.author_id: 70}, "spark": {anders.author_id: 0}, "harbour": {}}
    assert names == {anders.author_id: "alt_anders"}


def test_applying_the_same_desk_twice_changes_nothing(
    database: Database, clock: FixedClock, desk: Desk
) -> None:
    with database.transaction() as tx:
        roster.apply_desk(tx, desk, clock.now())
        before = everything(tx)

    with database.transaction() as tx:
        roster.apply_desk(tx, desk, clock.advance(timedelta(hours=1)))
        after = everything(tx)

    assert after == before


def test_what_left_the_file_is_switched_off_and_comes_back_with_it(
    database: Database, clock: FixedClock, desk: Desk
) -> None:
    with database.transaction() as tx:
        roster.apply_desk(tx, desk, clock.now())
        before = everything(tx)
    smaller = replace(
        desk,
        authors=desk.authors[1:],
        agents=desk.agents[1:],
        follows=tuple(each for each in desk.follows if each.agent_id == "spark"),
        deployments=tuple(each for each in desk.deployments if each.deployment_id == "spark-live"),
    )

    with database.transaction() as tx:
        roster.apply_desk(tx, smaller, clock.advance(timedelta(minutes=1)))
        states = {
            row["deployment_id"]: row["state"]
            for row in tx.all("select deployment_id, state from deployments")
        }
        inactive = tx.all("select agent_id from agents where not is_active")
        unheard = tx.all("select author_id from authors where not is_active")
        follows = tx.all("select distinct agent_id from follows")
        assert roster.active_deployments(tx, "compass") == []

    with database.transaction() as tx:
        roster.apply_desk(tx, desk, clock.now())
        after = everything(tx)

    assert states == {
        "compass-live": "HALTED",
        "compass-paper": "HALTED",
        "harbour-paper": "HALTED",
        "spark-live": "ACTIVE",
    }
    assert [row["agent_id"] for row in inactive] == ["harbour"]
    assert [row["author_id"] for row in unheard] == [desk.authors[0].author_id]
    assert [row["agent_id"] for row in follows] == ["spark"]
    for table, rows in before.items():
        dropped = [{k: v for k, v in vars_of(row).items() if k != "updated_at"} for row in after[table]]
        assert dropped == [{k: v for k, v in vars_of(row).items() if k != "updated_at"} for row in rows]


def vars_of(row: object) -> dict[str, object]:
    assert isinstance(row, dict)
    return row


def test_a_changed_weight_limit_and_strategy_take_effect(
    database: Database, clock: FixedClock, desk: Desk
) -> None:
    with database.transaction() as tx:
        roster.apply_desk(tx, desk, clock.now())
    first = desk.agents[0]
    bolder = replace(
        first, strategy=replace(first.strategy, max_call_age=timedelta(minutes=1)), is_active=False
    )
    changed = replace(
        desk,
        agents=(bolder, *desk.agents[1:]),
        follows=tuple(replace(each, weight=7) for each in desk.follows),
        accounts=tuple(replace(each, foreign_policy="close") for each in desk.accounts),
    )

    with database.transaction() as tx:
        roster.apply_desk(tx, changed, clock.now())

        assert roster.agent(tx, first.agent_id) == bolder
        assert {weight for _, weight in roster.agents_following(tx, desk.follows[0].author_id)} == {7}
        assert {each.foreign_policy for each in roster.accounts(tx)} == {"close"}


def test_an_account_never_becomes_another_place_under_its_old_id(
    database: Database, clock: FixedClock, desk: Desk
) -> None:
    with database.transaction() as tx:
        roster.apply_desk(tx, desk, clock.now())
    moved = replace(desk, accounts=(replace(desk.accounts[0], network="mainnet"), *desk.accounts[1:]))

    with (
        pytest.raises(DeskError, match=r"accounts\[0\].*local-test stands for hyperliquid local"),
        database.transaction() as tx,
    ):
        roster.apply_desk(tx, moved, clock.now())


def test_a_deployment_never_moves_to_another_account_under_its_old_id(
    database: Database, clock: FixedClock, desk: Desk
) -> None:
    with database.transaction() as tx:
        roster.apply_desk(tx, desk, clock.now())
    first, *others = desk.deployments
    moved = replace(desk, deployments=(replace(first, agent=desk.agents[0]), *others))

    with (
        pytest.raises(DeskError, match=r"deployments\[0\].*compass on local-test"),
        database.transaction() as tx,
    ):
        roster.apply_desk(tx, moved, clock.now())
