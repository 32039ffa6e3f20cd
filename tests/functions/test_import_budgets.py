"""What a function loads before it can answer: only the SDKs of its own room (DESIGN's table of numbers)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = frozenset({"openai", "web3", "hyperliquid", "tweepy", "eth_account", "boto3", "requests"})
SDKS = frozenset({"openai", "web3", "hyperliquid", "tweepy"})
OURS = frozenset({"outcry", "pydantic", "pg8000"})
LOADS_WHEN_IT_IS_CALLED = "migrate"  # so that it can say of a layer that it does not load

# What each function must not have loaded: by importing it, and after its use case was built.
BUDGETS = {
    "ingest_posts": SDKS - {"tweepy"},
    "classify_posts": SDKS,
    "generate_signals": SDKS,
    "tick": SDKS,
    "notify": SDKS,
    "api": SDKS,
    "migrate": SDKS,
    "signers": SDKS,
    "execute_orders": SDKS - {"hyperliquid"},
    "monitor_hyperliquid": SDKS - {"hyperliquid"},
}
IMPORT = """
import json, sys
sys.path[:0] = sys.argv[1:3]
import app
assert callable(app.handler)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
BUILD = """
import json, sys
sys.path[:0] = sys.argv[1:3]
import app
from outcry import wiring
from outcry.runtime import settings
build = sys.argv[3]
if build == "tell_notice":
    import outcry.notices.channels; wiring.database()
else:
    getattr(wiring, build)()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
BUILDERS = {
    "classify_posts": "classify_posts",
    "generate_signals": "generate_signals",
    "tick": "tick",
    "notify": "tell_notice",
    "execute_orders": "execute_orders",
    "monitor_hyperliquid": "monitor_hyperliquid",
    "migrate": "migrate",
    "api": "missing_for_work",
}


def loaded(repository: Path, function: str, script: str, *more: str, environment: dict[str, str]) -> set[str]:
    """The packages that a clean interpreter has loaded at the end of the script."""
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            script,
            str(repository / "functions" / function),
            str(repository / "layers" / "core"),
            *more,
        ],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_every_function_has_a_budget(repository: Path) -> None:
    assert {
        folder.name for folder in (repository / "functions").iterdir() if (folder / "app.py").exists()
    } == set(BUDGETS)


@pytest.mark.parametrize("function", BUDGETS)
def test_importing_a_handler_loads_no_sdk_at_all(repository: Path, function: str) -> None:
    found = loaded(repository, function, IMPORT, environment={})

    assert found & HEAVY == set()
    assert found & OURS == (set() if function == LOADS_WHEN_IT_IS_CALLED else OURS)


@pytest.mark.parametrize(("function", "builder"), BUILDERS.items())
def test_building_the_use_case_keeps_to_the_budget(
    repository: Path, database_url: str, function: str, builder: str
) -> None:
    url = "http://127.0.0.1:9"
    queues = ("POSTS", "CALLS", "ENTRIES", "EXITS", "TICKS_HYPERLIQUID", "NOTICES")
    environment = {
        "OUTCRY_NETWORK": "local",
        "OUTCRY_DATABASE_URL": database_url,
        "OUTCRY_HYPERLIQUID_URL": url,
        "OUTCRY_CLASSIFIER": "grammar",
        "OUTCRY_SIGNING_KEY_ARN": "arn:aws:kms:us-east-1:000000000000:key/none",
        "AWS_DEFAULT_REGION": "us-east-1",
        **{f"OUTCRY_QUEUE_{queue}": url for queue in queues},
    }

    found = loaded(repository, function, BUILD, builder, environment=environment)

    assert found & BUDGETS[function] == set()
