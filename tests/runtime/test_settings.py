"""What a function needs is there and right before anything starts, or one message says what and how."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.runtime import settings
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.queues import Queue

ARN = "arn:aws:secretsmanager:us-east-1:000000000000:secret:x"
LOCAL = {"OUTCRY_NETWORK": "local", "OUTCRY_DATABASE_URL": "postgresql://outcry@/outcry?host=/run"}
CLOUD = {"OUTCRY_NETWORK": "mainnet", "OUTCRY_DATABASE_SECRET_ARN": ARN}
QUEUES = {f"OUTCRY_QUEUE_{queue.value.upper().replace('-', '_')}": "https://sqs/q" for queue in Queue}


def refused(model: type[settings.Settings], environment: dict[str, str]) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        settings.read(model, environment)
    return caught.value


def test_the_least_that_a_function_needs() -> None:
    read = settings.read(settings.Notify, CLOUD)

    assert read.network is settings.Network.MAINNET
    assert (read.database_secret_arn, read.database_url, read.clock_file, read.last_receive) == (
        ARN,
        None,
        None,
        1,
    )


@pytest.mark.parametrize("network", ["", "Mainnet", "main", "paper"])
def test_f56_the_network_is_never_guessed(network: str) -> None:
    error = refused(settings.Notify, {**CLOUD, "OUTCRY_NETWORK": network})

    assert error.setting == "OUTCRY_NETWORK"
    assert error.fix == "set it to mainnet, testnet or local"


@pytest.mark.parametrize(
    ("model", "environment", "setting"),
    [
        (settings.Notify, {"OUTCRY_NETWORK": "local"}, "OUTCRY_DATABASE_SECRET_ARN"),
        (settings.Notify, {**LOCAL, "OUTCRY_DATABASE_SECRET_ARN": ARN}, "OUTCRY_DATABASE_SECRET_ARN"),
        (settings.Notify, {**LOCAL, "OUTCRY_NETWORK": "testnet"}, "OUTCRY_DATABASE_URL"),
        (settings.Notify, {**CLOUD, "OUTCRY_DATABASE_SECRET_ARN": "secret"}, "OUTCRY_DATABASE_SECRET_ARN"),
        (settings.Notify, {**CLOUD, "OUTCRY_CLOCK_FILE": "/tmp/clock"}, "OUTCRY_CLOCK_FILE"),
        (settings.Notify, {**LOCAL, "OUTCRY_LAST_RECEIVE": "0"}, "OUTCRY_LAST_RECEIVE"),
        (settings.Notify, {**LOCAL, "OUTCRY_LAST_RECEIVE": "often"}, "OUTCRY_LAST_RECEIVE"),
        (settings.Signers, LOCAL, "OUTCRY_SIGNING_KEY_ARN"),
        (settings.IngestPosts, {**LOCAL, **QUEUES}, "OUTCRY_X_SECRET_ARN"),
        (
            settings.IngestPosts,
            {**CLOUD, **QUEUES, "OUTCRY_X_SECRET_ARN": ARN, "OUTCRY_X_URL": "https://x"},
            "OUTCRY_X_URL",
        ),
        (settings.IngestPosts, {**LOCAL, **QUEUES, "OUTCRY_X_SECRET_ARN": ARN}, "OUTCRY_X_URL"),
        (
            settings.IngestPosts,
            {**LOCAL, **QUEUES, "OUTCRY_X_SECRET_ARN": ARN, "OUTCRY_X_URL": "https://api.x.com"},
            "OUTCRY_X_URL",
        ),
        (settings.ClassifyPosts, {**LOCAL, **QUEUES}, "OUTCRY_CLASSIFIER"),
        (settings.ClassifyPosts, {**LOCAL, **QUEUES, "OUTCRY_CLASSIFIER": "regex"}, "OUTCRY_CLASSIFIER"),
        (settings.ClassifyPosts, {**LOCAL, **QUEUES, "OUTCRY_CLASSIFIER": "llm"}, "OUTCRY_LLM_SECRET_ARN"),
        (settings.MonitorHyperliquid, {**LOCAL, **QUEUES}, "OUTCRY_HYPERLIQUID_URL"),
        (settings.GenerateSignals, {**LOCAL, **QUEUES, "OUTCRY_QUEUE_EXITS": "exits"}, "OUTCRY_QUEUE_EXITS"),
        (
            settings.GenerateSignals,
            {**LOCAL, **QUEUES, "OUTCRY_QUEUE_EXITS": "http://sqs/q"},
            "OUTCRY_QUEUE_EXITS",
        ),
        (settings.GenerateSignals, {**LOCAL, **QUEUES, "OUTCRY_QUEUE_EXITS": ""}, "OUTCRY_QUEUE_EXITS"),
    ],
)
def test_f22_what_is_missing_or_wrong_is_named(
    model: type[settings.Settings], environment: dict[str, str], setting: str
) -> None:
    assert refused(model, environment).setting == setting


@pytest.mark.parametrize("network", ["mainnet", "testnet", "local"])
@pytest.mark.parametrize(
    "url",
    [
        "https://api.hyperliquid.xyz",
        "https://api.hyperliquid-testnet.xyz/",
        "http://127.0.0.1:3001",
        "https://api.hyperliquid.xyz.example.com",
        "https://example.com",
    ],
)
def test_f50_a_venues_address_must_be_that_of_the_network(network: str, url: str) -> None:
    fitting = {
        "mainnet": {"https://api.hyperliquid.xyz"},
        "testnet": {"https://api.hyperliquid-testnet.xyz/"},
        "local": {"http://127.0.0.1:3001"},
    }
    database = LOCAL if network == "local" else CLOUD
    environment = {**database, **QUEUES, "OUTCRY_NETWORK": network, "OUTCRY_HYPERLIQUID_URL": url}

    if url in fitting[network]:
        read = settings.read(settings.MonitorHyperliquid, environment)
        assert read.hyperliquid_url == url.rstrip("/")
    else:
        assert refused(settings.MonitorHyperliquid, environment).setting == "OUTCRY_HYPERLIQUID_URL"


def test_f54_each_classifier_is_a_choice_of_its_own() -> None:
    llm = {"OUTCRY_LLM_SECRET_ARN": ARN, "OUTCRY_LLM_BASE_URL": "https://llm/v1", "OUTCRY_LLM_MODEL": "small"}

    grammar = settings.read(settings.ClassifyPosts, {**LOCAL, **QUEUES, "OUTCRY_CLASSIFIER": "grammar"})
    model = settings.read(settings.ClassifyPosts, {**LOCAL, **QUEUES, "OUTCRY_CLASSIFIER": "llm", **llm})

    assert grammar.classifier == "grammar"
    assert (model.classifier, model.llm_model) == ("llm", "small")


def test_a_function_is_given_its_own_queues_alone() -> None:
    read = settings.read(settings.GenerateSignals, {**LOCAL, **QUEUES})

    assert set(read.queues) == {Queue.ENTRIES, Queue.EXITS, Queue.NOTICES}


@given(
    st.dictionaries(
        st.sampled_from(sorted({*LOCAL, *CLOUD, "OUTCRY_CLOCK_FILE", "OUTCRY_LAST_RECEIVE"})),
        st.text(max_size=12),
    )
)
def test_whatever_stands_there_it_is_read_or_refused_with_a_name_and_a_fix(
    environment: dict[str, str],
) -> None:
    problem: ConfigurationError | None = None
    try:
        settings.read(settings.Notify, environment)
    except ConfigurationError as error:
        problem = error

    if problem is not None:
        assert problem.setting.startswith("OUTCRY_")
        assert problem.fix
