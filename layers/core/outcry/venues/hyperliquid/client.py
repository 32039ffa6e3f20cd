"""HTTP to Hyperliquid: one pool of kept connections, a timeout on everything, and no retry.

Promises:
- The base URL fits the network, or nothing starts: there is no mainnet by omission and no testnet by
  accident.
- A read gives the whole body of a 200 answer that is JSON, or raises VenueUnreachable.
- A send gives what is known: an HTTP answer, NotSent where no connection was made, Ambiguous for everything
  in between.
- Never logs a body: signed requests pass through here.

Every request's weight is counted (Hyperliquid docs, rate-limits-and-user-limits), whether or not it was
answered, in `weights` too where the process shares its address's limit with others.
"""

import ipaddress
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from outcry.runtime import edges
from outcry.runtime.edges import Edge
from outcry.runtime.errors import ConfigurationError, VenueUnreachable
from outcry.runtime.metrics import VENUE_ERRORS, VENUE_WEIGHT, VenueError, VenueName
from outcry.venues.port import Ambiguous, NotSent
from outcry.venues.weights import Weights

if TYPE_CHECKING:
    import requests

MAINNET_URL = "https://api.hyperliquid.xyz"
TESTNET_URL = "https://api.hyperliquid-testnet.xyz"

_LIGHT_READS = frozenset({"allMids", "clearinghouseState", "l2Book", "orderStatus", "spotClearinghouseState"})
_LIGHT_WEIGHT = 2
_ROLE_WEIGHT = 60
_READ_WEIGHT = 20
_SEND_WEIGHT = 1
_ROWS_PER_WEIGHT = 20
_POOL_SIZE = 4
LIMITED = 429  # the HTTP status that says that the request weight is used up
_HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Body:
    """A complete answer to a read: as it came, and decoded."""

    raw: str
    value: Any


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete answer to a send."""

    status: int
    body: str


def check_network(network: str, base_url: str) -> None:
    """Raises ConfigurationError unless the URL is the network's own host, or loopback for `local`."""
    expected = {"mainnet": MAINNET_URL, "testnet": TESTNET_URL}.get(network)
    if expected is not None:
        if base_url != expected:
            raise ConfigurationError(
                "hyperliquid base_url", base_url, f"network={network} is served by {expected} alone"
            )
        return
    if network != "local":
        raise ConfigurationError("network", network, "choose mainnet, testnet or local")
    parts = urlsplit(base_url)
    if (
        parts.scheme != "http"
        or not _is_loopback(parts.hostname)
        or parts.path
        or parts.query
        or parts.username
    ):
        raise ConfigurationError(
            "hyperliquid base_url", base_url, "network=local needs http://127.0.0.1:<port>"
        )


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


class HyperliquidClient:
    """The two endpoints of the venue. Times out after `connect_timeout_s` and `read_timeout_s` seconds."""

    def __init__(
        self,
        network: str,
        base_url: str,
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        session: "requests.Session | None" = None,
        weights: Weights | None = None,
    ) -> None:
        check_network(network, base_url)
        self._base_url = base_url
        self._is_local = network == "local"
        self._timeout = (connect_timeout_s, read_timeout_s)
        self._session = session
        self._weights = weights
        self.weight_used = 0

    def info(self, query: Mapping[str, Any], decode: Callable[[str], Any] = json.loads) -> Body:
        """The body of a complete 200 answer of JSON. Raises VenueUnreachable for anything else."""
        import requests

        kind = str(query["type"])
        self._spend(_read_weight(kind))
        try:
            answer = self._post("/info", json.dumps(query, separators=(",", ":")))
        except requests.RequestException as error:
            count_failure(VenueError.UNREACHABLE)
            raise VenueUnreachable(f"hyperliquid {kind}: {type(error).__name__}") from error
        if answer.status != 200:
            count_failure(VenueError.LIMITED if answer.status == LIMITED else VenueError.UNREACHABLE)
            raise VenueUnreachable(f"hyperliquid {kind}: HTTP {answer.status}")
        try:
            return Body(answer.body, decode(answer.body))
        except (ValueError, RecursionError):
            count_failure(VenueError.UNREACHABLE)
            raise VenueUnreachable(f"hyperliquid {kind}: the answer is not JSON") from None

    def charge_rows(self, rows: int) -> None:
        """Count the weight of a long answer: one for each 20 rows of fills or funding."""
        self._spend(rows // _ROWS_PER_WEIGHT)

    def exchange(self, signed: str) -> HttpAnswer | NotSent | Ambiguous:
        """Send stored bytes once. Never raises for the network."""
        import requests

        self._spend(_SEND_WEIGHT)
        try:
            return self._post("/exchange", signed)
        except requests.RequestException as error:
            if _never_connected(error):
                return NotSent(type(error).__name__)
            return Ambiguous(type(error).__name__)

    def _spend(self, weight: int) -> None:
        self.weight_used += weight
        if self._weights is not None:
            self._weights.spend(weight)
        VENUE_WEIGHT.record(weight, VenueName.HYPERLIQUID)

    def _post(self, path: str, body: str) -> HttpAnswer:
        edges.reached(Edge.BEFORE_SEND, f"hyperliquid {path[1:]}")
        response = self._opened().post(
            self._base_url + path,
            data=body.encode(),
            headers=_HEADERS,
            timeout=self._timeout,
            allow_redirects=False,
        )
        edges.reached(Edge.AFTER_REPLY, f"hyperliquid {path[1:]}")
        if response.status_code == LIMITED and self._weights is not None:
            self._weights.refused()
        return HttpAnswer(response.status_code, response.content.decode("utf-8", "replace"))

    def _opened(self) -> "requests.Session":
        if self._session is None:
            import requests
            from requests.adapters import HTTPAdapter

            session = requests.Session()
            adapter = HTTPAdapter(pool_connections=1, pool_maxsize=_POOL_SIZE, max_retries=0)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            # A proxy of the environment must not come between two processes of one machine.
            session.trust_env = not self._is_local
            self._session = session
        return self._session


def count_failure(kind: VenueError) -> None:
    """Count that the venue failed us."""
    VENUE_ERRORS.record(1, VenueName.HYPERLIQUID, kind)


def _read_weight(kind: str) -> int:
    if kind in _LIGHT_READS:
        return _LIGHT_WEIGHT
    return _ROLE_WEIGHT if kind == "userRole" else _READ_WEIGHT


def _never_connected(error: "requests.RequestException") -> bool:
    """Whether certainly no connection was made, so that not one byte can have arrived."""
    import requests
    from urllib3.exceptions import MaxRetryError, NewConnectionError

    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
