"""What each way of failing on the wire means: certainly not sent, answered, or not known."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from outcry.runtime.clock import FixedClock, SystemClock
from outcry.runtime.errors import BugError, ConfigurationError, VenueUnreachable
from outcry.venues.hyperliquid.client import MAINNET_URL, TESTNET_URL, HyperliquidClient
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from outcry.venues.port import Ambiguous, Done, NotSent, Outcome, RefusalKind, Refused, Venue

SIGNED = '{"action":{"type":"noop"},"nonce":1}'
USER = "0x" + "ab" * 20
ACCEPTED = b'{"status":"ok","response":{"type":"default"}}'
CLOCK = FixedClock(datetime(2026, 1, 5, 12, tzinfo=UTC))

Reply = Callable[[socket.socket], None]


class Stub:
    """A server that reads one request a connection or more, and answers as the test says."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                self.requests.append(_request(connection))
                self._reply(connection)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=5)


def _request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(
        next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")).split()[1]
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def http(status: int, body: bytes, *, length: int | None = None, more: bytes = b"") -> Reply:
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {size}\r\nConnection: close\r\n".encode() + more
    return lambda connection: connection.sendall(head + b"\r\n" + body)


def silent(connection: socket.socket) -> None:
    time.sleep(0.5)


def hang_up(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.fixture
def stub() -> Iterator[Callable[[Reply], Stub]]:
    running: list[Stub] = []

    def start(reply: Reply) -> Stub:
        running.append(Stub(reply))
        return running[-1]

    yield start
    for server in running:
        server.stop()


def venue_at(url: str) -> HyperliquidVenue:
    return HyperliquidVenue("local", url, CLOCK, connect_timeout_s=0.5, read_timeout_s=0.25)


def outcome_of(stub: Stub) -> Outcome:
    return venue_at(stub.url).send(SIGNED, address=USER).outcome


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# ─── sending ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_send_that_made_no_connection_was_certainly_not_sent(closed_port: int) -> None:
    answer = venue_at(f"http://127.0.0.1:{closed_port}").send(SIGNED, address=USER)

    assert isinstance(answer.outcome, NotSent)
    assert answer.raw is None


def test_a_connection_that_is_not_answered_in_time_was_certainly_not_sent() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with contextlib.ExitStack() as waiting:
            for _ in range(4):  # fill the queue of connections, so that the next one is not taken up
                pending = waiting.enter_context(socket.socket())
                pending.setblocking(False)
                pending.connect_ex(address)
            answer = venue_at(f"http://127.0.0.1:{address[1]}").send(SIGNED, address=USER)

    assert isinstance(answer.outcome, NotSent)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(silent, id="read timeout"),
        pytest.param(hang_up, id="reset"),
        pytest.param(lambda connection: None, id="closed without an answer"),
        pytest.param(http(429, b"null"), id="429"),
        pytest.param(http(500, b"null"), id="500"),
        pytest.param(http(502, b"<html></html>"), id="502"),
        pytest.param(http(403, b"Forbidden"), id="403"),
        pytest.param(http(404, b""), id="404"),
        pytest.param(http(302, b"", more=b"Location: /elsewhere\r\n"), id="redirect"),
        pytest.param(http(200, b"<html></html>"), id="a page"),
        pytest.param(http(200, b""), id="nothing"),
        pytest.param(http(200, b"\xff\xfe"), id="no text"),
        pytest.param(http(200, ACCEPTED[:20]), id="half an answer"),
        pytest.param(http(200, ACCEPTED, length=500), id="less than announced"),
        pytest.param(http(200, b"null"), id="null"),
    ],
)
def test_a_send_without_a_readable_answer_is_ambiguous_and_is_not_repeated(
    stub: Callable[[Reply], Stub], reply: Reply
) -> None:
    server = stub(reply)

    outcome = outcome_of(server)

    assert isinstance(outcome, Ambiguous)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 415, 422])
def test_a_body_that_the_venue_could_not_read_was_never_an_action(
    stub: Callable[[Reply], Stub], status: int
) -> None:
    outcome = outcome_of(stub(http(status, b"Failed to deserialize the JSON body into the target type")))

    assert isinstance(outcome, Refused)
    assert outcome.kind is RefusalKind.BUG


def test_the_stored_bytes_are_what_goes_out(stub: Callable[[Reply], Stub]) -> None:
    server = stub(http(200, ACCEPTED))

    answer = venue_at(server.url).send(SIGNED, address=USER)

    assert answer.outcome == Done()
    assert answer.raw == ACCEPTED.decode()
    assert server.requests[0].endswith(b"\r\n\r\n" + SIGNED.encode())
    assert server.requests[0].startswith(b"POST /exchange HTTP/1.1")
    assert b"Content-Type: application/json" in server.requests[0]


def test_bytes_that_are_no_request_are_not_sent(stub: Callable[[Reply], Stub]) -> None:
    server = stub(http(200, ACCEPTED))

    with pytest.raises(BugError):
        venue_at(server.url).send("{}", address=USER)

    assert server.requests == []


def test_a_proxy_of_the_environment_does_not_come_between_two_processes_of_one_machine(
    stub: Callable[[Reply], Stub], monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert outcome_of(stub(http(200, ACCEPTED))) == Done()


# ─── reading ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(silent, id="read timeout"),
        pytest.param(hang_up, id="reset"),
        pytest.param(http(429, b"null"), id="429"),
        pytest.param(http(500, b"null"), id="500"),
        pytest.param(http(422, b"Failed to deserialize"), id="422"),
        pytest.param(http(200, b"<html></html>"), id="a page"),
        pytest.param(http(200, b'[{"coin":'), id="half an answer"),
        pytest.param(http(200, b"[]", length=500), id="less than announced"),
        pytest.param(http(200, b"[" * 100_000), id="too deep"),
    ],
)
def test_f15_a_read_without_a_complete_answer_is_never_an_empty_one(
    stub: Callable[[Reply], Stub], reply: Reply
) -> None:
    venue = venue_at(stub(reply).url)

    with pytest.raises(VenueUnreachable):
        venue.open_orders(USER)


def test_f15_a_read_from_nobody_is_never_an_empty_one(closed_port: int) -> None:
    venue = venue_at(f"http://127.0.0.1:{closed_port}")

    with pytest.raises(VenueUnreachable):
        venue.account(USER)


# ─── where it goes ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("network", "url"),
    [
        ("mainnet", MAINNET_URL),
        ("testnet", TESTNET_URL),
        ("local", "http://127.0.0.1:8080"),
        ("local", "http://localhost:8080"),
        ("local", "http://[::1]:8080"),
    ],
)
def test_each_network_has_its_own_address(network: str, url: str) -> None:
    venue: Venue = HyperliquidVenue(network, url, SystemClock())

    assert (venue.name, venue.network) == ("hyperliquid", network)


@pytest.mark.parametrize(
    ("network", "url"),
    [
        ("", MAINNET_URL),
        ("paper", "http://127.0.0.1:1"),
        ("Mainnet", MAINNET_URL),
        ("mainnet", TESTNET_URL),
        ("mainnet", MAINNET_URL + "/"),
        ("mainnet", "http://api.hyperliquid.xyz"),
        ("mainnet", "http://127.0.0.1:1"),
        ("testnet", MAINNET_URL),
        ("testnet", "http://127.0.0.1:1"),
        ("local", MAINNET_URL),
        ("local", TESTNET_URL),
        ("local", "http://127.0.0.1.example.com"),
        ("local", "http://127.0.0.1@api.hyperliquid.xyz"),
        ("local", "http://user@127.0.0.1:1"),
        ("local", "http://10.0.0.1:1"),
        ("local", "http://127.0.0.1:1/info"),
        ("local", "127.0.0.1:1"),
        ("local", ""),
    ],
)
def test_f56_a_network_and_an_address_that_do_not_fit_do_not_start(network: str, url: str) -> None:
    with pytest.raises(ConfigurationError):
        HyperliquidVenue(network, url, SystemClock())


def test_f49_every_request_is_weighed(stub: Callable[[Reply], Stub]) -> None:
    client = HyperliquidClient("local", stub(http(200, b"[]")).url, connect_timeout_s=1, read_timeout_s=1)
    weights = []
    for kind in ("clearinghouseState", "orderStatus", "frontendOpenOrders", "meta", "userRole"):
        client.weight_used = 0
        client.info({"type": kind})
        weights.append(client.weight_used)
    client.weight_used = 0
    client.charge_rows(45)
    client.exchange("{}")

    assert weights == [2, 2, 20, 20, 60]
    assert client.weight_used == 3
