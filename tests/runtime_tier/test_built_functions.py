"""Each built function under Lambda's own client, on its own folder and layers: it starts, it answers, it loads no more than it may."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.built import Built
from local.runtime_api import Invocation
from local.runtime_process import RUNTIME, RunningFunction, running, search_path
from outcry.custody.approval import LISTED, Standing, Verdict
from outcry.custody.keyring import Keyring, activate_signer
from outcry.custody.kms import Kms
from outcry.runtime.database import Database
from tests.architecture.sources import ROOT, Source, handlers
from tests.functions.test_handlers import EVENTS, NO_FAILURES, Cloud, add_account, failure
from tests.runtime_tier.figures import Figures
from tests.toolchain.test_layers import PROGRAM, reached

NAMES = [source.path.parent.name for source in handlers()]
SDKS = {"openai", "tweepy", "web3", "hyperliquid"}

# DESIGN's budgets: what a function must not have loaded, whatever it did.
NEVER = {
    "ingest_posts": SDKS - {"tweepy"},
    "x_webhook": SDKS - {"tweepy"},
    "classify_posts": {"web3", "hyperliquid"},
    "generate_signals": SDKS,
    "tick": SDKS,
    "api": SDKS,
    "notify": SDKS,
    "migrate": SDKS,
}
# A custom resource answers where its event says; tests/functions has a server for that.
NOT_HERE = {"migrate.stack"}
FILES = sorted(
    path.stem
    for path in EVENTS.glob("*.json")
    if path.stem not in NOT_HERE and path.stem.split(".")[0] in NAMES
)


def variables(cloud: Cloud, name: str) -> dict[str, str]:
    """The function's own, as the template gives them, on this test's Postgres and AWS."""
    own = {n: v for n, v in cloud.functions[name].variables.items() if n != "OUTCRY_DATABASE_SECRET_ARN"}
    return {n: v for n, v in {**own, **cloud.variables}.items() if v}


def event(stem: str) -> Any:
    return json.loads((EVENTS / f"{stem}.json").read_text())


def foreign(function: RunningFunction, built: Built) -> list[str]:
    """The files that it loaded from anywhere but its own folders, the runtime's and the standard library."""
    base = Path(
        subprocess.run(
            [RUNTIME / "bin" / "python", "-I", "-S", "-c", "import os; print(os.__file__)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    ).parent
    allowed = (*search_path(built), base, ROOT / "local" / "runtime_start.py")
    files = [file for file in function.modules().values() if file is not None and Path(file).is_absolute()]
    return [file for file in files if not any(Path(file).is_relative_to(root) for root in allowed)]


def packages(function: RunningFunction) -> set[str]:
    return {name.partition(".")[0] for name in function.modules()}


def is_good(stem: str, ended: Invocation) -> bool:
    """Whether that is what the function answers when all went well."""
    if stem.startswith("api."):
        return bool(ended.answer["statusCode"] in {200, 503})
    if "Records" not in event(stem):
        return isinstance(ended.answer, dict)
    # the order of the file is in no database here, and such a doorbell is never acknowledged
    return bool(ended.answer == (failure(event(stem)) if stem.startswith("execute_orders.") else NO_FAILURES))


def test_f22_every_function_of_the_checkout_is_built_with_its_handler(functions: dict[str, Built]) -> None:
    assert set(functions) == set(NAMES)
    for function in functions.values():
        module = function.handler.rpartition(".")[0]
        assert (function.folder / f"{module}.py").is_file()


def test_every_budget_of_the_design_is_held_where_its_function_is_there() -> None:
    assert set(NAMES) - set(NEVER) == {"execute_orders", "monitor_hyperliquid", "signers"}


@pytest.mark.parametrize("name", NAMES)
def test_a_built_function_starts_on_nothing_but_its_own_layers(
    functions: dict[str, Built], tmp_path: Path, name: str
) -> None:
    built = functions[name]

    with running(built, {}, tmp_path) as function:
        assert function.fault is None
        assert foreign(function, built) == []


@pytest.mark.parametrize("stem", FILES)
def test_a_built_function_answers_its_event_and_keeps_to_its_budget(
    functions: dict[str, Built],
    cloud: Cloud,
    database: Database,
    tmp_path: Path,
    figures: Figures,
    stem: str,
) -> None:
    name = stem.partition(".")[0]
    add_account(database)

    with running(functions[name], variables(cloud, name), tmp_path) as function:
        first = function.invoke(event(stem))
        loaded = packages(function)
        strangers = foreign(function, functions[name])
        figures.after_event_mb[name] = function.memory_mb()

    assert first.fault is None
    assert is_good(stem, first)
    assert loaded & NEVER.get(name, set()) == set()
    assert strangers == []


@pytest.mark.parametrize("source", handlers(), ids=lambda source: source.path.parent.name)
def test_f22_all_that_a_built_function_may_import_is_in_its_layers(
    functions: dict[str, Built], source: Source
) -> None:
    modules, foreign_packages = reached(source)
    path = [str(part) for part in search_path(functions[source.path.parent.name])]
    given = json.dumps([path, ["app", *sorted(modules)], sorted(foreign_packages)])

    ran = subprocess.run(
        [RUNTIME / "bin" / "python", "-I", "-S", "-B", "-c", PROGRAM, given],
        env={"PATH": "/usr/bin:/bin", "AWS_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr[-2000:]
    _, missing = json.loads(ran.stdout)
    assert missing == []


@pytest.mark.parametrize("name", NAMES)
def test_f56_a_built_function_without_a_network_does_nothing_and_says_what_to_set(
    functions: dict[str, Built], cloud: Cloud, tmp_path: Path, name: str
) -> None:
    without = {n: v for n, v in variables(cloud, name).items() if n != "OUTCRY_NETWORK"}
    stem = next(stem for stem in FILES if stem.split(".")[0] == name and stem != "api.health")

    with running(functions[name], without, tmp_path) as function:
        ended = function.invoke(event(stem))

    if name == "api":  # which may tell the world no more than that it is not ready
        assert ended.answer["statusCode"] == 503
        assert "the configuration is incomplete" in ended.answer["body"]
    else:
        assert ended.fault is not None
        assert ended.fault.kind == "ConfigurationError"
        assert ended.fault.message == "OUTCRY_NETWORK is not set: set it to mainnet, testnet or local"


def test_f23_a_key_that_the_built_signers_seals_is_opened_by_what_execute_orders_opens_keys_with(
    functions: dict[str, Built], cloud: Cloud, database: Database, tmp_path: Path
) -> None:
    add_account(database)
    with running(functions["signers"], variables(cloud, "signers"), tmp_path) as function:
        made = function.invoke(event("signers.invoke")).answer
    with database.transaction() as tx:
        activate_signer(
            tx, made["signer_id"], Verdict(Standing.NAMED, None, LISTED, "yes"), now=datetime.now(UTC)
        )

    opened = Keyring(database, Kms()).active("local-test")

    assert opened is not None
    assert (opened.signer_id, opened.key.address) == (made["signer_id"], made["address"])


@pytest.mark.parametrize("package", ["pg8000", "pydantic", "aws_lambda_powertools", "outcry"])
def test_f22_a_package_that_is_missing_in_a_layer_is_found_before_a_deployment(
    functions: dict[str, Built], tmp_path: Path, package: str
) -> None:
    built = functions["tick"]
    broken = tmp_path / "CoreLayer"
    (broken / "python").mkdir(parents=True)
    for part in (built.layers["CoreLayer"] / "python").iterdir():
        if part.name != package:
            (broken / "python" / part.name).symlink_to(part)

    with running(
        Built("tick", built.folder, {**built.layers, "CoreLayer": broken}), {}, tmp_path
    ) as function:
        assert function.fault is not None
        assert function.fault.kind == "Runtime.ImportModuleError"
        assert f"No module named '{package}'" in function.fault.message


def test_f22_a_function_without_its_handler_is_found_before_a_deployment(
    functions: dict[str, Built], tmp_path: Path
) -> None:
    built = functions["tick"]

    with running(Built("tick", built.folder, built.layers, "app.missing"), {}, tmp_path) as function:
        assert function.fault is not None
        assert function.fault.kind == "Runtime.HandlerNotFound"
