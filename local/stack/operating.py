"""What an operator does on a deployed stack, by the command line alone: examine it, prove an account, export the desk, flatten.

Promises: every command runs as its own process against the stack by its name, as a person's would, and is judged by what it
answers and by what Postgres and the venue show afterwards.
"""

from local.stack import store, texts
from local.stack.deployed import Deployed, audit_facts
from local.stack.report import expect, wait_for
from local.stack.trading import LIVE, let_sign
from outcry.runtime.database import Row

CANARY_MARKET = "OP"  # nobody else trades it in a rehearsal
_FLAT_WITHIN_S = 240.0
_HEARD_WITHIN_S = 150.0


def operate(stack: Deployed) -> None:
    """A key in KMS takes over with a position open; the doctor, a canary through the deployed functions, the desk as a file again."""
    with stack.report.step("a key that never leaves KMS takes over, in the other slot") as facts:
        facts |= let_sign(stack, slot=2, custody="kms")
    with stack.report.step("outcry doctor") as facts:
        told = stack.outcry("doctor")
        facts["counts"] = told["counts"]
        bad = [each for each in told["findings"] if each["verdict"] == "bad"]
        expect(not bad, f"the doctor found: {bad}")
    with stack.report.step(f"outcry pause, and a canary in {CANARY_MARKET} all the same") as facts:
        stack.outcry("pause", "desk", "--reason", "the rehearsal pauses")
        stack.market.post(texts.LONG_ARB)
        told = stack.outcry("canary", "--network", "local", "--account", LIVE, "--market", CANARY_MARKET)
        facts["steps"] = {step["name"]: step["passed"] for step in told["steps"]}
        expect(told["passed"], f"the canary did not pass: {told}")
    with stack.report.step(
        "an author's entry is refused while paused, and entries go on after outcry resume"
    ) as facts:
        order = wait_for("the entry in ARB to be decided", lambda: _decided(stack, "ARB"), _HEARD_WITHIN_S)
        facts["ARB"] = f"{order['status']} {order['reason']}"
        expect(facts["ARB"] == "SKIPPED PAUSED", f"the entry in ARB is {facts['ARB']}")
        stack.outcry("resume", "desk", "--reason", "the rehearsal goes on")
    with stack.report.step("outcry desk export, and applying what it wrote") as facts:
        file = stack.folder / "exported.yaml"
        stack.outcry("desk", "export", str(file))
        facts["changes"] = stack.outcry("desk", "apply", str(file))["changes"]
        expect(not facts["changes"], f"the exported desk is not the one in force: {facts['changes']}")


def flatten(stack: Deployed) -> None:
    """Close everything, and see that the venue shows nothing."""
    with stack.report.step("outcry flatten") as facts:
        stack.outcry("flatten", "desk", "--reason", "the rehearsal ends", "--yes")
        wait_for("nothing held and nothing under way", lambda: _is_flat(stack), _FLAT_WITHIN_S)
        told = stack.outcry("positions")
        facts["held"] = len(told["positions"])
        expect(facts["held"] == 0, f"positions are held after a flatten: {told['positions']}")
    with stack.report.step("the audit at the end") as facts:
        facts |= audit_facts(stack.audit())


def _decided(stack: Deployed, market: str) -> Row | None:
    with stack.reading() as tx:
        order = store.newest_entry(tx, market=market)
    return order if order is not None and order["finished_at"] is not None else None


def _is_flat(stack: Deployed) -> bool:
    with stack.reading() as tx:
        return store.open_positions(tx) == 0 and store.open_orders(tx) == 0
