"""The table of who may do what, asked live: each call made inside an execution environment with the function's own role.

Promises: the stack is deployed as it was built onto a local AWS that evaluates policies, and asked before anything of it is
changed. Rows that the local AWS cannot enforce (`local.permissions.limits`) are shown as that, asked again of restated policies,
and counted apart. Last, somebody who is allowed exactly each thing asks for it: so a refusal is known to come from the policies,
and a limit from the local AWS.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from local.dispatcher.cloudformation import load
from local.permissions.calls import Outcome, There, call_of, outcome
from local.permissions.evaluator import Policies
from local.permissions.limits import CONDITIONS, contexts_of, limit_of, restated
from local.permissions.table import FOREIGN_KEY, FUNCTIONS, SIGNER_KEY, Row, misuses, rows
from local.permissions.verdict import Line, faults, summary, table
from local.processes import temporary_directory
from local.servers import ROOT
from local.stack.deployed import Deployed
from local.stack.market import Market
from local.stack.permitted import Permitted
from local.stack.report import Report, expect
from local.stack.rig import running_rig
from local.stack.sam import Sam

_EXACTLY = "who is allowed exactly this"
_LAST = "kms:ScheduleKeyDeletion"  # nothing more is asked of a key after it


def permissions(report: Report, built: Path, keep: Path | None) -> None:
    """Deploy `built` where policies are enforced, and hold every row of the table against it. `keep` is a directory for logs."""
    with (
        temporary_directory("permissions") as folder,
        running_rig(keep, enforce_permissions=True) as rig,
    ):
        stack = Deployed(
            rig, Sam(rig.aws, keep or folder), report, Market(rig.venue_url, rig.x_url), folder, {}
        )
        with report.step("sam deploy where policies are enforced") as facts:
            parameters = _parameters(stack)
            ran = stack.sam.deploy(built, parameters)
            expect(ran.code == 0, ran.end)
            facts["status"] = stack.status()
        policies = Policies(load(ROOT / "template.yaml"), parameters)
        with report.step("a function inside of each role") as facts:
            permitted = Permitted(stack, policies)
            there = permitted.prepare(parameters)
            facts["functions"] = len(FUNCTIONS)
        with report.step("who may do what, asked live") as facts:
            lines = _ask(permitted, there, policies)
            facts |= summary(lines)
            facts["table"] = [line.as_json() for line in lines]
            report.say("\n".join(table(lines)))
            _hold(lines)
        with report.step("the same of somebody who is allowed exactly that") as facts:
            control = _ask_exactly(permitted, there, policies)
            facts |= summary(control)
            _hold(control)


def of_stack(stack: Deployed) -> None:
    """The same of what the `deploy` phase built."""
    permissions(stack.report, stack.folder / "n-built", stack.rig.logs / "permissions")


def _hold(lines: Sequence[Line]) -> None:
    found = faults(lines)
    expect(not found, "\n".join(found))


def _parameters(stack: Deployed) -> dict[str, str]:
    """Those of a stack that uses all four secrets, so that each is a row."""
    stack.make_secrets()
    return {
        **stack.parameters(),
        "Classifier": "llm",
        "LlmSecretArn": stack.make_secret("llm", {"api_key": "none"}),
        "LlmBaseUrl": stack.rig.x_url,
        "LlmModel": "none",
    }


def _ask(permitted: Permitted, there: There, policies: Policies) -> list[Line]:
    lines = [_line(row, code, policies) for row, code in _answers(permitted, there, [*rows(), *misuses()])]
    limited = [line.row for line in lines if line.limit is not None and line.limit.is_restated]
    again: dict[_Key, Outcome] = {}
    for context in contexts_of(limited):
        with permitted.saying(partial(restated, context=context)):
            for row, code in _answers(permitted, there, [row for row in limited if row.context == context]):
                again[_key(row)] = outcome(row.action, code)
    return [replace(line, restated=again.get(_key(line.row))) for line in lines]


type _Key = tuple[str, str, str, frozenset[tuple[str, str]]]


def _key(row: Row) -> _Key:
    return row.function, row.action, row.resource, frozenset(row.context.items())


def _answers(permitted: Permitted, there: There, asked: Iterable[Row]) -> Iterable[tuple[Row, str]]:
    by_function: dict[str, list[Row]] = {}
    for row in asked:
        by_function.setdefault(row.function, []).append(row)
    for function, of_function in by_function.items():
        calls = [call_of(row, there) for row in of_function]
        yield from zip(of_function, permitted.answers(function, calls), strict=True)


def _line(row: Row, code: str, policies: Policies) -> Line:
    return Line(row, policies.allows(row), outcome(row.action, code), code, limit_of(row))


def _ask_exactly(permitted: Permitted, there: There, policies: Policies) -> list[Line]:
    """Each thing once, asked by somebody whose role allows exactly these: only a key's own policy keeps it from them."""
    once = {(row.action, row.resource): row for row in rows()}
    more = replace(once["kms:ReEncryptFrom", "SigningKey"], resource=FOREIGN_KEY)
    asked = [
        replace(row, function=_EXACTLY, is_allowed=_is_open(row, policies))
        for row in sorted([*once.values(), more], key=lambda row: row.action == _LAST)
    ]
    permitted.allow_exactly(_EXACTLY, [(row.action, row.resource) for row in asked], there)
    return [_exact_line(row, code) for row, code in _answers(permitted, there, asked)]


def _is_open(row: Row, policies: Policies) -> bool:
    """Whether a role's own permission is enough. The key of a signer is made by its function, with a policy that says who signs."""
    signs = (row.action, row.resource) == ("kms:Sign", SIGNER_KEY)
    return not signs and policies.lets_administrator(row.action, row.resource, row.context)


def _exact_line(row: Row, code: str) -> Line:
    limit = limit_of(row)
    shown = None if limit in {None, CONDITIONS} or not row.is_allowed else limit
    kept = shown and replace(shown, is_restated=False)
    return Line(row, row.is_allowed, outcome(row.action, code), code, kept)
