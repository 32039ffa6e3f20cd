"""A canary exists to find that the venue speaks differently: it fails though the ledger settled every order all the same."""

from typing import Any

import pytest

from outcry.venues.hyperliquid.client import HttpAnswer
from tests.cli.canary_workshop import Cloud, cloud, row

__all__ = ["cloud"]


@pytest.mark.parametrize(("word", "becomes"), [("filled", "executed"), ("resting", "parked")])
def test_a_canary_fails_when_the_venue_renames_a_word_of_its_answers(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, word: str, becomes: str
) -> None:
    client: Any = cloud.workshop.venue._client
    exchange = client.exchange

    def renamed(signed: str) -> Any:
        answer = exchange(signed)
        if not isinstance(answer, HttpAnswer) or '"type":"order"' not in signed:
            return answer
        return HttpAnswer(answer.status, answer.body.replace(f'"{word}"', f'"{becomes}"'))

    monkeypatch.setattr(client, "exchange", renamed)
    report = cloud.run()

    faults = [each["fault"] for each in report.answers if each["fault"]]
    assert not report.passed
    assert not row(cloud.workshop)["passed"]
    assert faults
    assert {fault.split(":")[0] for fault in faults} == {"the parser does not know the answer"}
    assert cloud.workshop.venue_size() == 0


def test_a_server_that_fails_once_is_no_fault_once_the_venues_record_has_settled_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Any = cloud.workshop.venue._client
    exchange = client.exchange
    failures = [HttpAnswer(502, "<html>Bad Gateway</html>")]

    def failing(signed: str) -> Any:
        answer = exchange(signed)
        return failures.pop() if failures and '"type":"order"' in signed else answer

    monkeypatch.setattr(client, "exchange", failing)
    report = cloud.run()

    assert not failures
    assert [each["fault"] for each in report.answers if each["fault"]] == []
    assert "its server answered with HTTP 502" in " ".join(each["says"] for each in report.answers)
    assert report.passed
