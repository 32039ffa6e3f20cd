"""The local Lambda runtime: Amazon's own client gets its events from it, and what goes wrong is told as on Lambda."""

import http.client
from pathlib import Path

import pytest

from local.built import Built
from local.runtime_api import NoAnswer, RuntimeApi
from local.runtime_process import RUNTIME, is_supported, running

pytestmark = pytest.mark.skipif(
    not is_supported() or not RUNTIME.is_dir(), reason="no Lambda runtime here: run tools/setup.sh runtime"
)

HANDLER = """
import os, time
import boto3

def handler(event, context):
    if event.get("fail"):
        raise ValueError("no")
    if event.get("sleep"):
        time.sleep(event["sleep"])
    return {"event": event, "left_ms": context.get_remaining_time_in_millis(), "name": context.function_name,
            "region": os.environ["AWS_REGION"], "home": os.environ.get("HOME")}
"""


@pytest.fixture
def function(tmp_path: Path) -> Built:
    (tmp_path / "function").mkdir()
    (tmp_path / "function" / "app.py").write_text(HANDLER)
    return Built("a_function", tmp_path / "function", {})


def test_a_function_answers_one_event_after_another_with_lambdas_context(
    function: Built, tmp_path: Path
) -> None:
    with running(function, {}, tmp_path) as started:
        ends = [started.invoke({"n": n}, timeout_s=30) for n in (1, 2)]

    assert [end.fault for end in ends] == [None, None]
    assert [end.answer["event"] for end in ends] == [{"n": 1}, {"n": 2}]
    assert ends[0].answer["name"] == "a_function"
    assert 0 < ends[0].answer["left_ms"] <= 30_000


def test_nothing_of_this_machine_is_handed_over(
    function: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")

    with running(function, {}, tmp_path) as started:
        answer = started.invoke({}).answer

    assert (answer["region"], answer["home"]) == ("us-east-1", None)


def test_an_error_of_the_handler_is_told_and_the_environment_lives_on(
    function: Built, tmp_path: Path
) -> None:
    with running(function, {}, tmp_path) as started:
        failed = started.invoke({"fail": True})
        after = started.invoke({})

    assert failed.fault is not None
    assert (failed.fault.kind, failed.fault.message) == ("ValueError", "no")
    assert after.fault is None


def test_f22_what_cannot_be_imported_is_told_before_any_event(function: Built, tmp_path: Path) -> None:
    (function.folder / "app.py").write_text("import nosuch\n")

    with running(function, {}, tmp_path) as started:
        assert started.fault is not None
        assert started.fault.kind == "Runtime.ImportModuleError"
        assert "No module named 'nosuch'" in started.fault.message


def test_a_package_of_this_projects_environment_is_not_there(function: Built, tmp_path: Path) -> None:
    (function.folder / "app.py").write_text("import pytest\n")

    with running(function, {}, tmp_path) as started:
        assert started.fault is not None
        assert "No module named 'pytest'" in started.fault.message


def test_what_is_loaded_is_told_with_its_files(function: Built, tmp_path: Path) -> None:
    with running(function, {}, tmp_path) as started:
        modules = started.modules()
        held_mb = started.memory_mb()

    assert modules["app"] == str(function.folder / "app.py")
    assert str(modules["boto3"]).startswith(str(RUNTIME))
    assert held_mb > 5


def test_an_event_that_takes_too_long_has_no_answer(function: Built, tmp_path: Path) -> None:
    with running(function, {}, tmp_path) as started, pytest.raises(NoAnswer, match="did not answer an event"):
        started.invoke({"sleep": 20}, timeout_s=0.3)


def test_an_environment_that_never_asks_is_not_waited_for_in_vain() -> None:
    with RuntimeApi("silent") as api, pytest.raises(NoAnswer, match="asked for no event within 0 s"):
        api.wait_until_initialised(0.05)


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/2018-06-01/runtime/nothing")])
def test_other_paths_are_not_answered(method: str, path: str) -> None:
    with RuntimeApi("any") as api:
        connection = http.client.HTTPConnection(api.address, timeout=10)
        connection.request(method, path, body=b"{}")
        status = connection.getresponse().status
        connection.close()

    assert status == 404
