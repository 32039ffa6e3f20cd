"""The phases of a run, in the order in which a stack lives: deployed, at work, updated, failed and rolled back, operated, deleted.

Promises: positions stay open across the update and the failed update, and what is asked of each phase is looked up in Postgres, at
the venue and in the stack itself, never in what a command printed alone.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

from local.processes import free_port
from local.servers import ROOT
from local.stack import source, store, texts, trading
from local.stack.deployed import Deployed, audit_facts
from local.stack.report import expect, wait_for
from local.stack.sam import STACK, Ran

EVENTS = ROOT / "tests" / "events"
# it names an address at which CloudFormation waits; nobody does here
FOR_CLOUDFORMATION = "migrate.stack.json"
NOTHING_FAILED = '{"batchItemFailures": []}'
ANSWERS = {
    "api.health.json": '"statusCode": 200',
    "api.ready.json": '"statusCode": 200',
    # they name orders that this database does not have, as the doorbells of another database would
    "execute_orders.entries.json": '{"batchItemFailures": [{"itemIdentifier": "00000000-0000-4000-8000-000000000001"}]}',
    "execute_orders.exits.json": '{"batchItemFailures": [{"itemIdentifier": "00000000-0000-4000-8000-000000000001"}]}',
    "ingest_posts.schedule.json": '"requests": 1',
    "migrate.invoke.json": '{"applied": []}',
    "signers.invoke.json": "apply a desk that has this account first",
    "signers.kms.json": "apply a desk that has this account first",
    "tick.schedule.json": '"ticks":',
}
_TAKE_PROFIT = Decimal(61_900)  # beyond the first step of a long position from 60,000, short of the second


def deploy(stack: Deployed) -> None:
    """Build this checkout and create the stack."""
    tree = source.copy_source(stack.folder / "n")
    stack.trees["n"] = tree
    _build_and_deploy(stack, "n", tree)
    with stack.report.step("the first look at it") as facts:
        facts["status"] = stack.status()
        expect(facts["status"] == "CREATE_COMPLETE", f"the stack is {facts['status']}")
        facts["schema"] = _schema(stack)
        expect(facts["schema"] == source.latest_migration(tree), f"the schema is at {facts['schema']}")
        facts["build"] = _build_of(stack)


def refuse(stack: Deployed) -> None:
    """What is configured wrongly stops at once, with a sentence that says what and what to do."""
    built = stack.folder / "n-built"
    given = stack.parameters()
    secret = stack.make_secret(
        "incomplete", {"host": "127.0.0.1", "port": 1, "dbname": "outcry", "username": "outcry"}
    )
    nowhere = stack.make_secret("nowhere", {**stack.database_secret(), "port": free_port()})
    faults: dict[str, tuple[dict[str, str | None], str]] = {
        "no network": ({"Network": None}, "Network"),
        "a network that does not exist": ({"Network": "mainnet2"}, "Parameter 'Network' value 'mainnet2'"),
        "another network's venue": ({"Network": "testnet"}, "Give LocalHyperliquidUrl with Network=local"),
        "a secret without a password": ({"DatabaseSecretArn": secret}, "add the field 'password'"),
        "a database that is not there": ({"DatabaseSecretArn": nowhere}, "DatabaseUnavailable"),
    }
    for number, (what, (changes, sentence)) in enumerate(faults.items(), start=1):
        with stack.report.step(f"refused: {what}") as facts:
            parameters = {name: value for name, value in {**given, **changes}.items() if value is not None}
            ran = stack.sam.deploy(built, parameters, stack=f"refused-{number}")
            expect(ran.code != 0, f"a stack with {what} was deployed")
            said = " ".join(ran.text.split())
            expect(sentence in said, f"it does not say {sentence!r}:\n{ran.end}")
            at = said.index(sentence)
            facts["says"] = said[max(0, at - 60) : at + 100]


def trade(stack: Deployed) -> None:
    """A desk, a post, a protected position, and its whole chain."""
    with stack.report.step("a desk at work") as facts:
        facts |= trading.open_desk(stack)
    with stack.report.step("from a post to a protected position") as facts:
        position = trading.enter(stack, texts.LONG_BTC)
        facts |= trading.tell_chain(stack, position)
    with stack.report.step("GET /ready") as facts:
        facts["status"], answer = stack.get("/ready")
        expect(facts["status"] == 200, f"{facts['status']}: {answer}")
    _audit(stack, "the audit after the first position")


def update(stack: Deployed) -> None:
    """Deploy the next build while a position is open, a post comes in and a take-profit step is reached."""
    tree = source.next_build(stack.trees["n"], stack.folder / "n1")
    stack.trees["n1"] = tree
    built = _build(stack, "n1", tree)
    before = _build_of(stack)
    with stack.report.step("update to the next build with a position open") as facts:
        stack.market.post(texts.LONG_ETH)
        with ThreadPoolExecutor(1) as pool:
            deploying = pool.submit(stack.sam.deploy, built, stack.parameters())
            stack.market.mark("BTC", _TAKE_PROFIT)
            ran = deploying.result()
        facts |= _deployed(ran, "UPDATE_COMPLETE", stack)
        facts["build"] = _build_of(stack)
        expect(facts["build"] != before, f"build {before} still answers")
        facts["schema"] = _schema(stack)
        expect(facts["schema"] == source.latest_migration(tree), f"the schema is at {facts['schema']}")
    with stack.report.step("nothing missed, nothing doubled") as facts:
        trading.wait_protected(stack, "ETH")
        facts["BTC fills"] = wait_for("the take-profit fill in BTC", lambda: _fills(stack, "BTC", 2), 120.0)
        facts["ETH fills"] = _fills(stack, "ETH", 1)
        expect(facts["BTC fills"] == 2, f"BTC has {facts['BTC fills']} fills and should have 2")
        expect(facts["ETH fills"] == 1, f"ETH has {facts['ETH fills']} fills and should have 1")
    _audit(stack, "the audit after the update")


def roll_back(stack: Deployed) -> None:
    """A build whose migration fails: the stack comes back by itself, and trading goes on meanwhile."""
    tree = source.next_build(stack.trees["n1"], stack.folder / "n2", fails=True)
    built = _build(stack, "n2", tree)
    before = _build_of(stack)
    with stack.report.step("a failing migration, and its rollback") as facts:
        stack.market.post(texts.SHORT_SOL)
        ran = stack.sam.deploy(built, stack.parameters())
        facts["seconds_of_deploy"] = round(ran.seconds, 1)
        expect(ran.code != 0, "a build with a failing migration was deployed")
        facts["status"] = stack.status()
        expect(facts["status"] == "UPDATE_ROLLBACK_COMPLETE", f"the stack is {facts['status']}\n{ran.end}")
        said = " ".join(ran.text.split())
        expect("failed: division by zero" in said, f"the deployment does not say why it failed:\n{ran.end}")
        facts["schema"] = _schema(stack)
        expect(facts["schema"] == source.latest_migration(stack.trees["n1"]), "the schema moved")
        with stack.reading() as tx:
            expect(not store.table_exists(tx, "rehearsal_half"), "half of the failed migration stayed")
        facts["build"] = _build_of(stack)
        expect(facts["build"] == before, f"build {facts['build']} answers after the rollback, not {before}")
    with stack.report.step("trading went on through it") as facts:
        trading.wait_protected(stack, "SOL")
        facts["SOL fills"] = _fills(stack, "SOL", 1)
        expect(facts["SOL fills"] == 1, f"SOL has {facts['SOL fills']} fills and should have 1")
    _refuse_dead_build(stack)
    _audit(stack, "the audit after the rollbacks")


def _refuse_dead_build(stack: Deployed) -> None:
    """A build without a new migration that cannot even start: it is tried before any other function changes."""
    built = _build(stack, "n3", source.dead_build(stack.trees["n1"], stack.folder / "n3"))
    before = _build_of(stack)
    with stack.report.step("a build that cannot start, and its rollback") as facts:
        ran = stack.sam.deploy(built, stack.parameters())
        facts["seconds_of_deploy"] = round(ran.seconds, 1)
        expect(ran.code != 0, "a build that cannot start was deployed")
        facts["status"] = stack.status()
        expect(facts["status"] == "UPDATE_ROLLBACK_COMPLETE", f"the stack is {facts['status']}\n{ran.end}")
        said = " ".join(ran.text.split())
        expect(source.CANNOT_START in said, f"the deployment does not say why it failed:\n{ran.end}")
        facts["build"] = _build_of(stack)
        expect(facts["build"] == before, f"build {facts['build']} answers after the rollback, not {before}")


def use_tools(stack: Deployed) -> None:
    """`sam logs`, and `sam remote invoke` with the files of tests/events."""
    with stack.report.step("sam logs") as facts:
        ran = stack.sam.logs()
        expect(ran.code == 0, ran.end)
        facts["lines"] = len(ran.text.splitlines())
        expect(facts["lines"] > 0, "sam logs printed nothing")
    for event in sorted(EVENTS.glob("*.json")):
        if event.name == FOR_CLOUDFORMATION:
            continue
        function = event.name.split(".")[0]
        logical = "".join(part.title() for part in function.split("_")) + "Function"
        with stack.report.step(f"sam remote invoke {logical} < {event.name}") as facts:
            ran = stack.sam.remote_invoke(logical, event)
            expect(ran.code == 0, ran.end)
            facts["answer"] = " ".join(ran.answer.split())[:160]
            wanted = ANSWERS.get(event.name, NOTHING_FAILED)
            expect(wanted in ran.answer, f"{event.name} was answered with {ran.answer}, without {wanted}")
    _audit(stack, "the audit after the tools")


def delete(stack: Deployed) -> None:
    """Delete the stack, and look at what is gone and what is kept."""
    stack.keep_logs()
    with stack.report.step("sam delete") as facts:
        key, database = stack.physical_id("SigningKey"), stack.secrets["database"]
        ran = stack.sam.delete()
        expect(ran.code == 0, ran.end)
        facts["key_state"] = stack.rig.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
        expect(facts["key_state"] == "Enabled", f"the signing key is {facts['key_state']}")
        stack.rig.client("secretsmanager").get_secret_value(SecretId=database)
        facts["left"] = stack.rig.leftovers(STACK)
        expect(not any(facts["left"].values()), f"these are still there: {facts['left']}")
    with stack.report.step("the book is kept, and says that nothing is held") as facts:
        facts["schema"] = _schema(stack)
        with stack.reading() as tx:
            facts["fills"] = store.live_fills(tx)
            expect(store.open_positions(tx) == 0, "positions are open in the book")
        expect(facts["fills"] > 0, "the fills are gone")


# ─── what several phases do ───────────────────────────────────────────────────────────────────────────────────


def _build(stack: Deployed, name: str, tree: Path) -> Path:
    built = stack.folder / f"{name}-built"
    with stack.report.step(f"sam build ({name})") as facts:
        ran = stack.sam.build(tree, built)
        expect(ran.code == 0, ran.end)
        facts["layers"] = ", ".join(sorted(path.name for path in built.glob("*Layer")))
    return built


def _build_and_deploy(stack: Deployed, name: str, tree: Path) -> None:
    built = _build(stack, name, tree)
    with stack.report.step(f"sam deploy ({name})") as facts:
        ran = stack.sam.deploy(built, stack.parameters())
        expect(ran.code == 0, ran.end)
        facts["seconds_of_deploy"] = round(ran.seconds, 1)


def _deployed(ran: Ran, status: str, stack: Deployed) -> Mapping[str, Any]:
    expect(ran.code == 0, ran.end)
    found = stack.status()
    expect(found == status, f"the stack is {found} and should be {status}")
    return {"status": found, "seconds_of_deploy": round(ran.seconds, 1)}


def _build_of(stack: Deployed) -> str:
    """Which build answers at the stack's HTTP address."""
    status, answer = stack.get("/health")
    expect(status == 200, f"GET /health was answered with {status}: {answer}")
    return str(answer["build"])


def _schema(stack: Deployed) -> int:
    with stack.reading() as tx:
        return store.schema_version(tx)


def _fills(stack: Deployed, market: str, at_least: int) -> int:
    """How many fills the live account has in a market; 0 while there are fewer than asked for."""
    with stack.reading() as tx:
        found = store.live_fills(tx, market=market)
    return found if found >= at_least else 0


def _audit(stack: Deployed, name: str) -> None:
    with stack.report.step(name) as facts:
        facts |= audit_facts(stack.audit())
