"""The venue without a socket answers and fails as the one behind a socket does."""

from typing import Any

import pytest
import requests

from local.hyperliquid.in_process import URL, session


def test_it_answers_like_the_server(desk: Any) -> None:
    asked = session(desk.engine)

    assert asked.post(f"{URL}/info", json={"type": "perpDexs"}).json() == [None]
    assert asked.post(f"{URL}/info", json={"type": "nothing"}).status_code == 422
    assert asked.post(f"{URL}/info", data=b"{").status_code == 415


def test_an_ended_connection_is_an_error_of_the_network(desk: Any) -> None:
    desk.control("fault", on="info", do="drop_after_commit")

    with pytest.raises(requests.ConnectionError):
        session(desk.engine).post(f"{URL}/info", json={"type": "perpDexs"})


def test_a_fresh_engine_costs_a_run_next_to_nothing(make_desk: Any) -> None:
    import time

    from local.hyperliquid.engine import Engine

    desk = make_desk()
    begun = time.perf_counter()
    for _ in range(100):
        Engine(desk.clock, config=desk.engine.config)
    each_ms = (time.perf_counter() - begun) * 10

    assert each_ms < 10
