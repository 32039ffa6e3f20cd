"""What the deployed handlers log in a whole run: one trace from the post to the fill, and nothing that nobody may see.

The run is the demo's: every function of the template in an environment of its own, on queues and schedules, from a post to a stop.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from local.stack.alarms import points_of
from local.x_api.server import DEFAULT_BEARER

ROOT = Path(__file__).resolve().parents[2]
BEGIN = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
TEXT = "LONG BTC 60k, SL 59.4k, TP 63k"
SERVERS = {"hyperliquid.log", "x_api.log"}  # the venue and X, which are no part of what is deployed
WAY = (
    "A post was heard",
    "A post was read",
    "A call was decided",
    "An order was advanced",
    "A fill was recorded",
)


@dataclass(frozen=True)
class Run:
    """What a run left: each function's lines that are JSON, and all of its text."""

    lines: dict[str, list[dict[str, Any]]]
    text: str

    @property
    def logged(self) -> list[dict[str, Any]]:
        """The lines of the logger."""
        return [line for lines in self.lines.values() for line in lines if "_aws" not in line]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("logs")
    posts, prices, kept = folder / "posts.jsonl", folder / "prices.jsonl", folder / "kept"
    kept.mkdir()
    post = {
        "id": "2028470671897526273",
        "author_username": "macro_marta",
        "author_id": "910000000000000001",
        "created_at": (BEGIN + timedelta(seconds=20)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "text": TEXT,
    }
    posts.write_text(json.dumps(post) + "\n")
    with prices.open("w") as file:
        for second in range(0, 300, 10):
            mark = Decimal(60000) - (Decimal(second - 150) * 6 if second > 150 else Decimal(second % 20))
            at = (BEGIN + timedelta(seconds=second)).isoformat()
            file.write(json.dumps({"at": at, "market": "BTC", "mark": str(mark)}) + "\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "local",
            "demo",
            "--posts",
            posts,
            "--prices",
            prices,
            "--keep",
            kept,
            "--json",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    text = ""
    for log in sorted(kept.glob("*.log")):
        if log.name not in SERVERS:
            text += log.read_text()
            lines[log.name.rsplit("-", 1)[0]] += [json.loads(line) for line in log.read_text().splitlines()]
    return Run(dict(lines), text)


# ─── one trace ──────────────────────────────────────────────────────────────────────────────────────────────


def test_one_trace_id_leads_from_the_post_to_the_fill_through_five_functions(run: Run) -> None:
    (heard,) = [line for line in run.logged if line["message"] == WAY[0]]

    traced = [line for line in run.logged if line["trace_id"] == heard["trace_id"]]

    assert set(WAY) <= {line["message"] for line in traced}
    assert {line["function_name"] for line in traced} >= {
        *("ingest_posts", "classify_posts", "generate_signals", "execute_orders", "monitor_hyperliquid")
    }


def test_every_order_and_every_fill_of_the_run_is_on_that_trace(run: Run) -> None:
    (heard,) = [line for line in run.logged if line["message"] == WAY[0]]

    of_orders = [line for line in run.logged if line["message"] in WAY[3:]]
    assert {(line["kind"], line["status"]) for line in of_orders if "kind" in line} >= {
        *(("enter", "FILLED"), ("protect", "RESTING"), ("protect", "TRIGGERED"))
    }
    assert {line["trace_id"] for line in of_orders} == {heard["trace_id"]}


def test_every_line_has_a_trace_and_it_is_one_that_xray_takes(run: Run) -> None:
    assert [line for line in run.logged if not re.fullmatch(r"[0-9a-f]{32}", line.get("trace_id", ""))] == []


def test_messages_are_constant_sentences(run: Run) -> None:
    assert [line["message"] for line in run.logged if re.search(r"[0-9]", line["message"])] == []


# ─── nothing secret, no payload ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("the text of a post", re.escape(TEXT)),
        ("a part of it", r"SL 59\.4k"),
        ("the bearer token", re.escape(DEFAULT_BEARER)),
        ("a header of credentials", r"(?i)bearer|authorization"),
        ("a key or a half of a signature", r"(?<![0-9a-fA-F])(0x)?[0-9a-fA-F]{64}(?![0-9a-fA-F])"),
        ("a signed request", r"signature|vaultAddress|\"nonce\""),
        ("an address of a database", r"postgresql://|password"),
    ],
)
def test_f25_no_log_of_a_function_holds(run: Run, what: str, pattern: str) -> None:
    assert re.search(pattern, run.text) is None, what


def test_the_search_would_find_a_secret() -> None:
    line = '{"sig": "0x' + "ab" * 32 + '"}'

    assert re.search(r"(?<![0-9a-fA-F])(0x)?[0-9a-fA-F]{64}(?![0-9a-fA-F])", line)


# ─── figures ────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_functions_figures_reach_its_log(run: Run) -> None:
    emitted = {
        name: {point.series.metric for point in points_of(json.dumps(line) for line in lines)}
        for name, lines in run.lines.items()
    }

    assert "PostsHeard" in emitted["ingest_posts"]
    assert "PostsRead" in emitted["classify_posts"]
    assert "SignalsTaken" in emitted["generate_signals"]
    assert {"OrdersFilled", "Fills", "VenueWeight"} <= emitted["execute_orders"]
    assert "VenueWeight" in emitted["monitor_hyperliquid"]
    assert {"HeartbeatAge", "OpenPositions", "PostToFill", "FillToStop"} <= emitted["tick"]
