"""What each function reads from its environment: one model per function, nothing optional by accident.

Promises: a missing or wrong setting raises ConfigurationError that names it and the fix, before anything is
started. The network has no default. A venue's address must fit the network, and the served clock exists for
`network = local` alone. Secrets are named here, never held: what these models contain may be printed.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from outcry.runtime.errors import ConfigurationError
from outcry.runtime.queues import Queue

PREFIX = "OUTCRY_"
_LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_VENUE_HOSTS = {"mainnet": "api.hyperliquid.xyz", "testnet": "api.hyperliquid-testnet.xyz"}

# What to do about a setting, where the validator's own words would not say it.
_FIXES = {
    "network": "set it to mainnet, testnet or local",
    "classifier": "set it to grammar or llm",
    "database_secret_arn": "name the secret that holds host, port, dbname, username and password",
    "database_address_is_own": "set it to true where this function alone has a secret of its own, or remove it",
    "hyperliquid_url": "set it to the base URL of the Hyperliquid API of this network",
    "signing_key_arn": "name the KMS key that wraps the signers' keys",
    "x_secret_arn": "name the secret that holds the X API's bearer_token",
    "venue_weight": "set it to this desk's part of the venue's 1200 a minute and address, 120 to 1200",
    "egress": "name the address that the requests leave by: small letters, digits, dots and dashes",
    "last_receive": "set it to the maxReceiveCount of the queue, 1 to 100",
}


class Network(StrEnum):
    """Where accounts trade. `paper` is the nature of an account, never of an installation."""

    MAINNET = "mainnet"
    TESTNET = "testnet"
    LOCAL = "local"


def _is_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("write a base URL, such as https://host.example")
    if parts.scheme == "http" and parts.hostname not in _LOCAL_HOSTS:
        raise ValueError("use https: plain http is for this machine alone")
    return value.rstrip("/")


def _is_arn(value: str) -> str:
    if not value.startswith("arn:"):
        raise ValueError("write an ARN: arn:aws:…")
    return value


Url = Annotated[str, AfterValidator(_is_url)]
Arn = Annotated[str, AfterValidator(_is_arn)]


class Settings(BaseModel):
    """What every function needs: the network and the way to its database."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)

    network: Network
    database_secret_arn: Arn | None = None
    database_address_is_own: bool = False  # it may write the address in another way than the common one
    database_url: str | None = None
    database_ca_file: str | None = None
    clock_file: str | None = None
    last_receive: int = Field(default=1, ge=1, le=100)

    @model_validator(mode="after")
    def _one_database(self) -> Self:
        if (self.database_secret_arn is None) == (self.database_url is None):
            fix = (
                f"set it, or {PREFIX}DATABASE_URL, but not both"
                if self.network is Network.LOCAL
                else _FIXES["database_secret_arn"]
                if self.database_secret_arn is None
                else f"remove {PREFIX}DATABASE_URL: a plain URL is for network=local"
            )
            raise ConfigurationError(f"{PREFIX}DATABASE_SECRET_ARN", self.database_secret_arn, fix)
        return self

    @model_validator(mode="after")
    def _plain_url_is_local(self) -> Self:
        if self.database_url is not None and self.network is not Network.LOCAL:
            raise ConfigurationError(
                f"{PREFIX}DATABASE_URL",
                "…",
                f"use {PREFIX}DATABASE_SECRET_ARN: a plain URL is for network=local",
            )
        return self

    @model_validator(mode="after")
    def _served_clock_is_local(self) -> Self:
        if self.clock_file is not None and self.network is not Network.LOCAL:
            raise ConfigurationError(
                f"{PREFIX}CLOCK_FILE", self.clock_file, "remove it: only network=local may serve its own time"
            )
        return self


class _Queues(Settings):
    """The queues that a function may ring. `needs` is the list of them."""

    needs: ClassVar[tuple[Queue, ...]] = ()
    queues: Mapping[Queue, Url]

    @classmethod
    def queue_settings(cls) -> dict[Queue, str]:
        """The environment variable of each queue."""
        return {queue: f"{PREFIX}QUEUE_{queue.value.upper().replace('-', '_')}" for queue in cls.needs}


class _Venues(Settings):
    """Where the venue is, and what may be asked of it: `venue_weight` a minute from the address that `egress` names."""

    hyperliquid_url: Url
    venue_weight: int = Field(default=1200, ge=120, le=1200)
    egress: str = Field(default="shared", pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")

    @model_validator(mode="after")
    def _url_fits_network(self) -> Self:
        host = urlsplit(self.hyperliquid_url).hostname
        fits = host == _VENUE_HOSTS[self.network] if self.network in _VENUE_HOSTS else host in _LOCAL_HOSTS
        if not fits:
            expected = (
                f"https://{_VENUE_HOSTS[self.network]}"
                if self.network in _VENUE_HOSTS
                else "a server on 127.0.0.1"
            )
            raise ConfigurationError(
                f"{PREFIX}HYPERLIQUID_URL",
                self.hyperliquid_url,
                f"on network={self.network} it must be {expected}",
            )
        return self


class IngestPosts(_Queues):
    """ingest_posts. `x_url` is for network=local, which never reads X itself; elsewhere it is X's own."""

    needs = (Queue.POSTS, Queue.NOTICES)
    x_secret_arn: Arn
    x_url: Url | None = None

    @model_validator(mode="after")
    def _own_x_is_local(self) -> Self:
        if self.x_url is not None and self.network is not Network.LOCAL:
            raise ConfigurationError(
                f"{PREFIX}X_URL", self.x_url, "remove it: posts of another server are for network=local"
            )
        host = urlsplit(self.x_url).hostname if self.x_url else None
        if self.network is Network.LOCAL and host not in _LOCAL_HOSTS:
            raise ConfigurationError(
                f"{PREFIX}X_URL",
                self.x_url,
                "name a server on 127.0.0.1: on network=local nobody reads X itself",
            )
        return self


class ClassifyPosts(_Queues):
    """classify_posts. Which classifier runs is a choice: no default, no fallback from one to the other."""

    needs = (Queue.CALLS, Queue.NOTICES)
    classifier: Literal["grammar", "llm"]
    llm_secret_arn: Arn | None = None
    llm_base_url: Url | None = None
    llm_model: str | None = None

    @model_validator(mode="after")
    def _llm_is_complete(self) -> Self:
        for name in ("llm_secret_arn", "llm_base_url", "llm_model"):
            if self.classifier == "llm" and not getattr(self, name):
                raise ConfigurationError(f"{PREFIX}{name.upper()}", None, f"{PREFIX}CLASSIFIER=llm needs it")
        return self


class GenerateSignals(_Queues):
    """generate_signals."""

    needs = (Queue.ENTRIES, Queue.EXITS, Queue.NOTICES)


class ExecuteOrders(_Queues, _Venues):
    """execute_orders."""

    needs = (Queue.ENTRIES, Queue.EXITS, Queue.NOTICES)
    signing_key_arn: Arn


class MonitorHyperliquid(_Queues, _Venues):
    """monitor_hyperliquid."""

    needs = (Queue.ENTRIES, Queue.EXITS, Queue.NOTICES)


class Tick(_Queues):
    """tick: rings every queue."""

    needs = tuple(Queue)


class Signers(Settings):
    """signers. The two roles and the stack's name are asked for where a key is made inside KMS."""

    signing_key_arn: Arn
    execute_orders_role_arn: Arn | None = None
    signers_role_arn: Arn | None = None
    stack_name: str | None = None


class Notify(Settings):
    """notify."""


class Api(Settings):
    """api."""


class Migrate(Settings):
    """migrate."""


def read[S: Settings](model: type[S], environment: Mapping[str, str]) -> S:
    """The settings of one function. Raises ConfigurationError for the first one that is missing or wrong."""
    given: dict[str, Any] = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and value
    }
    if issubclass(model, _Queues):
        given["queues"] = _queue_urls(model, environment)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _named(error) from None


def _queue_urls(model: type[_Queues], environment: Mapping[str, str]) -> dict[Queue, str]:
    urls: dict[Queue, str] = {}
    for queue, name in model.queue_settings().items():
        if not environment.get(name):
            raise ConfigurationError(name, None, f"set it to the URL of the queue {queue.value}")
        urls[queue] = environment[name]
    return urls


def _named(error: ValidationError) -> ConfigurationError:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    field = path[0]
    setting = (
        f"{PREFIX}QUEUE_{path[1].upper().replace('-', '_')}"
        if field == "queues"
        else f"{PREFIX}{field.upper()}"
    )
    value = None if first["type"] == "missing" else first["input"]
    said = first["msg"].removeprefix("Value error, ")
    return ConfigurationError(
        setting, value, _FIXES.get(field, said) if first["type"] != "value_error" else said
    )
