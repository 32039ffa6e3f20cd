"""A row is as designed only where design, template and live call agree, and a limit excuses nothing but what it says."""

import pytest

from local.permissions.calls import Outcome
from local.permissions.limits import CONDITIONS, LOG_STREAMS, NO_XRAY, RE_ENCRYPT, Limit
from local.permissions.table import Row
from local.permissions.verdict import Line, faults, summary, table

LIMITS = (CONDITIONS, LOG_STREAMS, RE_ENCRYPT, NO_XRAY)


def line(
    is_allowed: bool,
    live: Outcome,
    *,
    statically: bool | None = None,
    limit: Limit | None = None,
    restated: Outcome | None = None,
    function: str = "tick",
    resource: str = "PostsQueue",
) -> Line:
    row = Row(function, "sqs:SendMessage", resource, is_allowed)
    return Line(row, is_allowed if statically is None else statically, live, "a code", limit, restated)


@pytest.mark.parametrize(("is_allowed", "live"), [(True, Outcome.ALLOWED), (False, Outcome.DENIED)])
def test_a_row_where_all_agree_has_no_fault(is_allowed: bool, live: Outcome) -> None:
    assert faults([line(is_allowed, live)]) == []


@pytest.mark.parametrize(
    ("is_allowed", "live"),
    [
        (True, Outcome.DENIED),
        (False, Outcome.ALLOWED),
        (True, Outcome.OTHER),
        (False, Outcome.OTHER),
    ],
)
def test_a_row_that_is_otherwise_live_is_a_fault_that_names_it(is_allowed: bool, live: Outcome) -> None:
    (fault,) = faults([line(is_allowed, live)])

    assert fault.startswith("tick sqs:SendMessage on PostsQueue: ")
    assert f"live it is {live} (a code)" in fault


def test_a_row_that_is_otherwise_in_the_template_is_a_fault() -> None:
    (fault,) = faults([line(False, Outcome.DENIED, statically=True)])

    assert "the template says otherwise" in fault


@pytest.mark.parametrize("limit", LIMITS)
def test_what_must_be_denied_and_is_allowed_is_a_fault_under_every_limit(limit: Limit) -> None:
    found = faults([line(False, Outcome.ALLOWED, limit=limit, restated=Outcome.DENIED)])

    assert len(found) == 1


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_that_is_no_longer_seen_is_a_fault(limit: Limit) -> None:
    (fault,) = faults([line(True, Outcome.ALLOWED, limit=limit, restated=Outcome.ALLOWED)])

    assert "is that limit still one?" in fault


@pytest.mark.parametrize("restated", [Outcome.DENIED, Outcome.OTHER, None])
def test_a_row_under_a_limit_has_to_be_as_designed_of_the_restated_policies(restated: Outcome | None) -> None:
    (fault,) = faults([line(True, CONDITIONS.seen, limit=CONDITIONS, restated=restated)])

    assert "of the restated policies" in fault


def test_a_row_under_a_limit_that_is_as_it_says_has_no_fault_and_is_not_counted_as_enforced() -> None:
    lines = [
        line(True, CONDITIONS.seen, limit=CONDITIONS, restated=Outcome.ALLOWED),
        line(False, Outcome.DENIED),
    ]

    assert faults(lines) == []
    assert summary(lines) == {
        "rows": 2,
        f"not enforced here: {CONDITIONS.why}": 1,
        "denied as designed": 1,
    }
    assert lines[0].as_json()["live"] == "not enforced here"


def test_a_row_with_a_fault_is_counted_as_nothing_else() -> None:
    lines = [line(False, Outcome.ALLOWED), line(True, Outcome.ALLOWED, limit=CONDITIONS)]

    assert summary(lines) == {"rows": 2, "not as designed": 2}


def test_the_table_says_for_each_function_and_action_what_is_allowed_statically_and_live() -> None:
    lines = [
        line(True, Outcome.ALLOWED),
        line(False, Outcome.DENIED, resource="CallsQueue"),
        line(False, CONDITIONS.seen, limit=CONDITIONS, restated=Outcome.DENIED, resource="ExitsQueue"),
        line(False, Outcome.DENIED, function="api"),
    ]

    _, tick, api = table(lines)

    assert " ".join(tick.split()) == (
        "tick sqs:SendMessage 1 of 3: PostsQueue 1 of 2: PostsQueue; 1 not enforced here; restated 0 of 1"
    )
    assert " ".join(api.split()) == "api sqs:SendMessage 0 of 1 0 of 1"
