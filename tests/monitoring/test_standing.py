"""The right to trade: asked of the venue daily, lost in words, and back by itself."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from outcry.custody.keyring import (
    CreatedSigner,
    Keyring,
    activate_as_confirmed,
    create_signer,
    revoke_signer,
)
from outcry.custody.kms import Kms
from outcry.monitoring.monitor import Monitor
from outcry.orders.execute import Executor
from outcry.orders.plan import plan_exit
from outcry.orders.signers import AccountSigners
from outcry.positions import store as positions_store
from outcry.runtime.clock import to_milliseconds
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.reasons import Reason
from tests.orders.workshop import LIVE, MASTER, Workshop


class Lifecycle:
    """A workshop whose live account is signed for by custody, and short ways to lose and replace its signer."""

    def __init__(self, workshop: Workshop, kms: Kms, key_arn: str) -> None:
        self.workshop, self.kms, self.key_arn = workshop, kms, key_arn
        desk = replace(
            workshop.desk,
            signers=AccountSigners(Keyring(workshop.database, kms)),
            _markets={},
            _accounts={},
        )
        workshop.executor = Executor(desk)
        workshop.monitor = Monitor(desk, workshop.executor.collector, live=("hyperliquid", "local"))
        self.active = self.made(slot=1)
        self.approve(self.active)
        activate_as_confirmed(
            workshop.database,
            workshop.venue,
            self.active.signer_id,
            master=MASTER,
            now=workshop.clock.now(),
        )

    def made(self, slot: int) -> CreatedSigner:
        return create_signer(
            *(self.workshop.database, self.kms, LIVE, slot), key_arn=self.key_arn, clock=self.workshop.clock
        )

    def approve(self, made: CreatedSigner, *, days: float = 90) -> None:
        self.workshop.control(
            "approve_agent",
            master=MASTER,
            agent=made.address,
            name=f"outcry-{made.slot}",
            valid_until_ms=to_milliseconds(self.workshop.clock.now() + timedelta(days=days)),
        )

    def ends(self, *, in_: timedelta) -> None:
        """The approval that the venue has on record ends then."""
        at = self.workshop.clock.now() + in_
        self.workshop.server.engine.venue.agents.expire(self.active.address, to_milliseconds(at))

    def row(self, made: CreatedSigner | None = None) -> dict[str, Any]:
        name = (made or self.active).signer_id
        return self.workshop.rows("select * from signers where signer_id = :s", s=name)[0]

    def pass_(self, *, after: timedelta = timedelta(minutes=3)) -> None:
        """One pass of the monitor, answered; marks move, or they would be taken for dead."""
        self.workshop.mark("BTC", f"600{self.workshop.clock.now().minute:02d}")
        self.workshop.watch(after_s=after.total_seconds())

    def entry(self) -> tuple[str, str | None]:
        row = self.workshop.order(self.workshop.enter(market="ETH"))
        return row["status"], row["reason"]

    def subjects(self, level: str) -> list[str]:
        rows = self.workshop.rows(
            "select subject from notices where level = :l and topic in ('signers', 'accounts') order by notice_id",
            l=level,
        )
        return [row["subject"] for row in rows]


@pytest.fixture(scope="module")
def kms() -> Iterator[Kms]:
    with mock_aws(), pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield Kms(boto3.client("kms"))


@pytest.fixture(scope="module")
def key_arn(kms: Kms) -> str:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        return str(boto3.client("kms").create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def life(workshop: Workshop, kms: Kms, key_arn: str) -> Lifecycle:
    return Lifecycle(workshop, kms, key_arn)


# ─── asked ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_f27_an_account_whose_signer_the_venue_never_confirmed_takes_no_entries(life: Lifecycle) -> None:
    with life.workshop.database.transaction() as tx:
        tx.execute("update signers set verified_at = null, verified_by = null")

    unasked = life.workshop.order(life.workshop.enter())
    life.pass_()

    assert (unasked["status"], unasked["reason"]) == ("SKIPPED", "SIGNER_UNCONFIRMED")
    assert "the venue was not asked about it yet" in unasked["detail"]
    assert life.row()["verified_by"] == "extraAgents"
    assert life.entry() == ("FILLED", None)


def test_a_venue_that_does_not_answer_confirms_nobody_and_takes_nothing_back(life: Lifecycle) -> None:
    confirmed = life.row()["verified_at"]
    life.workshop.control(
        "fault", on="info", match={"type": "extraAgents"}, do="status", status=502, body="", times=50
    )

    life.pass_(after=timedelta(days=1, minutes=1))

    assert (life.row()["verified_at"], life.row()["refused_at"]) == (confirmed, None)
    assert life.workshop.rows("select 1 as one from account_checks") == []
    assert life.entry() == ("FILLED", None)


def test_an_answer_that_nobody_knows_pages_and_concludes_nothing(life: Lifecycle) -> None:
    life.workshop.control(
        "fault",
        on="info",
        match={"type": "extraAgents"},
        do="status",
        status=200,
        body='{"new": 1}',
        times=50,
    )

    life.pass_()

    assert life.subjects("page") == [f"What the venue says about the signers of {LIVE} is not understood"]
    assert life.row()["refused_at"] is None


def test_each_account_is_asked_about_once_a_day(life: Lifecycle) -> None:
    asked: list[str] = []
    listed = life.workshop.venue.named_signers

    def counted(master: str) -> Any:
        asked.append(master)
        return listed(master)

    life.workshop.venue.named_signers = counted  # type: ignore[method-assign]
    for _ in range(5):
        life.pass_(after=timedelta(minutes=10))
    in_an_hour = len(asked)
    life.pass_(after=timedelta(days=1))

    assert (in_an_hour, len(asked)) == (1, 2)


@pytest.mark.parametrize("mode", ["unifiedAccount", "portfolioMargin"])
def test_an_account_that_changed_its_margin_mode_takes_no_entries_pages_and_still_exits(
    life: Lifecycle, mode: str
) -> None:
    life.workshop.enter()
    life.workshop.control("abstraction", user=MASTER, mode=mode)

    life.pass_(after=timedelta(days=1))  # its time limit is over, too

    assert life.workshop.rows("select margin_mode from account_checks") == [{"margin_mode": "OTHER"}]
    assert life.subjects("page") == [f"{LIVE} is in a unified or portfolio margin mode"]
    assert life.workshop.position()["exit_reason"] == "TIME_LIMIT"
    assert life.workshop.position()["status"] == "CLOSED"
    assert life.entry() == ("SKIPPED", "ACCOUNT_MODE_UNKNOWN")


# ─── an end that comes near ─────────────────────────────────────────────────────────────────────────────────


def test_f27_an_end_is_told_seven_days_ahead_once_a_day_and_paged_on_the_last(life: Lifecycle) -> None:
    life.ends(in_=timedelta(days=9, hours=6))
    told: list[tuple[int, int]] = []
    for _ in range(9):
        life.pass_(after=timedelta(hours=12, minutes=1))
        life.pass_(after=timedelta(hours=12))
        told.append((len(life.subjects("warning")), len(life.subjects("page"))))

    assert told == [(0, 0), (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (6, 1)]


def test_f27_an_approval_that_ended_opens_nothing_although_the_venue_still_takes_it(life: Lifecycle) -> None:
    life.workshop.control("switch", agent_expiry_lag_ms=15 * 60_000)
    life.ends(in_=timedelta(minutes=30))
    life.pass_()
    life.workshop.enter()
    life.workshop.clock.advance(timedelta(minutes=31))

    assert life.entry() == ("SKIPPED", "SIGNER_EXPIRED")
    life.pass_(after=timedelta(minutes=1))
    assert life.workshop.position()["status"] == "UNMANAGED"
    assert any("Nobody can sign" in subject for subject in life.subjects("page"))


# ─── lost and back ──────────────────────────────────────────────────────────────────────────────────────────


def test_f50_a_revoked_signer_leaves_its_positions_unmanaged_and_pages_what_rests(life: Lifecycle) -> None:
    life.workshop.enter()
    life.workshop.control("agent_revoke", agent=life.active.address)

    life.pass_()

    (text,) = [
        row["text"]
        for row in life.workshop.rows("select text from notices where subject like 'Nobody can sign%'")
    ]
    assert life.workshop.position()["status"] == "UNMANAGED"
    assert f"{life.active.address} is not approved by {MASTER} on local" in text
    assert "At the venue there rest, and work: " in text
    assert "BTC sl 58801" in text
    assert life.entry() == ("SKIPPED", "SIGNER_UNCONFIRMED")


def test_f50_what_the_venue_refuses_at_an_order_stops_entries_at_once(life: Lifecycle) -> None:
    life.workshop.control("agent_revoke", agent=life.active.address)

    first, second = life.entry(), life.entry()

    assert first == ("REJECTED", "SIGNER_INVALID")
    assert second == ("SKIPPED", "SIGNER_UNCONFIRMED")
    assert life.workshop.rows("select distinct state from deployments") == [{"state": "ACTIVE"}]


def test_f50_an_address_that_is_not_ours_is_a_fault_of_ours_and_no_lost_signer(
    life: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = "0x" + "99" * 20
    body = f'{{"status":"err","response":"L1 error: User or API Wallet {stranger} does not exist."}}'
    life.workshop.control("fault", on="exchange", do="status", status=200, body=body, times=1)

    refused = life.entry()

    assert refused == ("REJECTED", "VENUE_REFUSED")
    assert life.row()["refused_at"] is None
    assert life.subjects("page") == []
    assert "orders" in life.workshop.notices()


def test_f50_the_signer_that_waits_in_the_other_slot_takes_over_and_exits_come_first(life: Lifecycle) -> None:
    life.workshop.enter()
    spare = life.made(slot=2)
    life.workshop.control("agent_revoke", agent=life.active.address)
    position_id = life.workshop.position()["position_id"]
    with life.workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id, lock=True)
        assert position is not None
        exit_id = plan_exit(tx, position, Reason.PERSON, now=life.workshop.clock.now(), trace_id="test")
    life.workshop.advance(exit_id)
    lost = life.workshop.position()["status"]
    life.approve(spare)

    life.workshop.bells.rung.clear()
    life.pass_(after=timedelta(seconds=15))

    assert lost == "UNMANAGED"
    assert (life.row()["status"], life.row(spare)["status"]) == ("DRAINING", "ACTIVE")
    assert life.workshop.position()["status"] == "CLOSED"
    assert life.workshop.venue_size() == 0
    assert f"{spare.signer_id} signs for {LIVE}, confirmed by hyperliquid" in life.subjects("warning")
    assert life.entry() == ("FILLED", None)


def test_a_signer_that_is_confirmed_again_manages_its_positions_again(
    life: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.workshop.enter()
    with life.workshop.database.transaction() as tx:
        tx.execute("update signers set refused_at = :at, venue_says = 'no'", at=life.workshop.clock.now())
        tx.execute("update positions set status = 'UNMANAGED'")

    life.pass_()

    assert life.workshop.position()["status"] == "OPEN"
    assert life.row()["refused_at"] is None


def test_a_spare_signer_takes_over_from_nobody_who_is_confirmed(life: Lifecycle) -> None:
    spare = life.made(slot=2)
    life.approve(spare)

    life.pass_()

    assert (life.row()["status"], life.row(spare)["status"]) == ("ACTIVE", "CREATED")


# ─── an address serves once ─────────────────────────────────────────────────────────────────────────────────


def test_f50_an_address_is_never_used_twice_not_even_after_its_signer_was_revoked(
    life: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = bytes(range(1, 33))

    def make() -> CreatedSigner:
        return create_signer(
            *(life.workshop.database, life.kms, LIVE, 2),
            key_arn=life.key_arn,
            clock=life.workshop.clock,
            random_bytes=lambda size: drawn[:size],
        )

    first = make()
    with life.workshop.database.transaction() as tx:
        revoke_signer(tx, first.signer_id, now=life.workshop.clock.now())

    with pytest.raises(InfrastructureError, match=r"signers_address_key is taken"):
        make()
