"""Time: what happened between two requests happened at its own moment."""

import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from local.hyperliquid.clockwork import PriceEvent, PriceFileError, read_prices, to_ms
from local.hyperliquid.config import load_config

NOON = datetime(2026, 11, 22, 12, 0, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[3]


def at(seconds: float) -> int:
    return to_ms(NOON + timedelta(seconds=seconds))


def event(seconds: float, mark: str, market: str = "BTC") -> PriceEvent:
    return PriceEvent(at(seconds), market, Decimal(mark))


def test_a_stop_fills_at_the_time_of_the_price_that_triggered_it(make_desk: Any) -> None:
    desk = make_desk(prices=(event(-5, "60000"), event(2, "58900"), event(6, "60500"), event(60, "1")))
    desk.buy("BTC", "0.01", "61000")
    desk.sell("BTC", "0.01", "50000", reduce=True, stop="59000")

    desk.wait(seconds=15)

    fill = desk.info("userFills")[0]
    assert (fill["time"], fill["px"], fill["dir"]) == (at(2), "58899.0", "Close Long")
    assert desk.info("allMids")["BTC"] == "60500.0"


def test_funding_between_two_prices_uses_the_price_of_its_hour(make_desk: Any) -> None:
    desk = make_desk(prices=(event(0, "60000"), event(3000, "30000"), event(7100, "90000")))
    desk.control("funding_rate", market="BTC", rate="0.0001")
    desk.buy("BTC", "0.1", "61000")

    desk.wait(hours=2)

    assert [row["usdc"] for row in desk.journal("funding")] == ["-0.3", "-0.9"]


def test_block_time_never_falls_in_the_journal(make_desk: Any) -> None:
    desk = make_desk(prices=tuple(event(step, str(60000 - step)) for step in range(0, 40, 3)))
    desk.buy("BTC", "0.01", "61000")
    desk.sell("BTC", "0.01", "50000", reduce=True, stop="59980")
    desk.wait(hours=1)
    desk.send({"type": "noop"})

    times = [row["time_ms"] for row in desk.engine.journal.records]
    numbers = [row["seq"] for row in desk.engine.journal.records]
    assert times == sorted(times)
    assert numbers == list(range(1, len(numbers) + 1))


def test_scheduled_cancels_need_volume_and_run_at_their_time(desk: Any) -> None:
    gate = desk.send({"type": "scheduleCancel"})["response"]
    desk.engine.venue.accounts[desk.master].volume_usd += 2_000_000
    oid = desk.buy("BTC", "0.01", "58000", tif="Gtc")["resting"]["oid"]
    due = desk.next_nonce() + 8_000

    assert gate == (
        "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $0.00."
    )
    assert desk.send({"type": "scheduleCancel", "time": due - 4_000})["status"] == "err"
    assert desk.send({"type": "scheduleCancel", "time": due})["status"] == "ok"
    desk.wait(seconds=20)
    assert desk.status(oid) == "scheduledCancel"
    assert desk.journal("gone")[-1]["time_ms"] == due


def test_candles_are_built_from_the_path_of_the_mark(make_desk: Any) -> None:
    desk = make_desk(prices=(event(0, "100"), event(20, "120"), event(40, "90"), event(70, "95")))
    desk.wait(minutes=3)

    request = {"coin": "BTC", "interval": "1m", "startTime": at(-1), "endTime": at(179)}
    rows = desk.engine.info({"type": "candleSnapshot", "req": request})

    shown = [(row["o"], row["h"], row["l"], row["c"]) for row in rows]
    assert shown[0] == ("100.0", "120.0", "90.0", "90.0")
    assert shown[1] == ("90.0", "95.0", "90.0", "95.0")
    assert shown[2] == ("95.0", "95.0", "95.0", "95.0")


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ('{"at": "2026-11-22T12:00:00Z", "market": "BTC", "mark": "-1"}', ":2: mark"),
        ('{"at": "2026-11-22T12:00:00", "market": "BTC", "mark": "1"}', ":2: at"),
        ('{"at": "2026-11-22T12:00:00Z", "market": "NOPE", "mark": "1"}', ":2: unknown market 'NOPE'"),
        ('{"at": "2020-11-22T12:00:00Z", "market": "BTC", "mark": "1"}', ":2: times must not fall"),
        ("nonsense", ":2: "),
    ],
)
def test_a_bad_line_of_the_price_file_is_named(tmp_path: Path, line: str, where: str) -> None:
    path = tmp_path / "prices.jsonl"
    path.write_text('{"at": "2026-11-22T11:00:00Z", "market": "BTC", "mark": "60000.5"}\n' + line + "\n")

    with pytest.raises(PriceFileError, match=where):
        list(read_prices(path, ["BTC"]))


def test_a_config_file_changes_markets_without_moving_an_asset_id(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"markets": {"ETH": {"initial_mark": "4000"}, "NEW": {
        "sz_decimals": 1, "max_leverage": 3, "initial_mark": "2"}}, "taker_fee": "0.001"}))  # fmt: skip

    config = load_config(path)

    assert [market.name for market in config.markets][:2] == ["BTC", "ETH"]
    assert str(config.markets[1].initial_mark) == "4000"
    assert config.markets[-1].name == "NEW"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    clock_file = tmp_path / "clock"
    clock_file.write_bytes(struct.pack("<q", 0))
    prices = tmp_path / "prices.jsonl"
    soon = datetime.now(UTC) + timedelta(hours=1)
    prices.write_text(json.dumps({"at": soon.isoformat(), "market": "BTC", "mark": "61234"}) + "\n")
    command = [
        sys.executable,
        "-m",
        "local.hyperliquid",
        "--clock-file",
        str(clock_file),
        "--prices",
        str(prices),
    ]
    path = os.pathsep.join([str(ROOT / "layers" / "core"), str(ROOT)])
    running = subprocess.Popen(
        [*command, "--journal", str(tmp_path / "journal.jsonl")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
    )
    with running:
        yield running, tmp_path
        running.kill()


def test_the_process_follows_the_served_clock_and_stops_on_sigterm(
    process: tuple[subprocess.Popen[str], Path],
) -> None:
    running, folder = process
    assert running.stdout is not None
    url = json.loads(running.stdout.readline())["url"]
    with requests.Session() as session:
        before = session.post(url + "/info", json={"type": "allMids"}, timeout=5).json()["BTC"]
        with (folder / "clock").open("r+b") as clock:
            clock.write(struct.pack("<q", 2 * 3_600_000_000))
        after = session.post(url + "/info", json={"type": "allMids"}, timeout=5).json()["BTC"]
        session.post(url + "/_sim/fund", json={"user": "0x" + "12" * 20, "usdc": "5"}, timeout=5)

    running.send_signal(signal.SIGTERM)

    assert (before, after) == ("60000.0", "61234.0")
    assert running.wait(timeout=5) == 0
    lines = (folder / "journal.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["kind"] == "cash"
