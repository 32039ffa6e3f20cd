"""What others can say: X about the bearer token, the model's server about the model.

Promises: the request is one that the functions themselves make, to the address that they are configured with; what it may
cost is said. Nothing that was read is kept.
"""

from datetime import timedelta

from outcry.calls.llm import LlmSettings, require_model
from outcry.cli import aws
from outcry.cli.doctor.finding import Findings, Installation, bad, ok, skipped, warn
from outcry.posts.feed import FeedRateLimited
from outcry.posts.x_client import XFeed
from outcry.runtime.errors import ClassifierUnavailable, FeedRefused, FeedUnavailable
from outcry.runtime.secrets import SecretStore

# An author who writes seldom, and a window that is nearly always empty: X bills posts that it returns, $0.005 each.
_QUERY = "from:12 -is:retweet"
_WINDOW = timedelta(seconds=30)
_LEAST_LEFT = 10


def x_access(here: Installation) -> Findings:
    """One search, as ingestion makes it."""
    arn = here.setting("X_SECRET_ARN")
    if arn is None:
        yield skipped("X", "OUTCRY_X_SECRET_ARN is not set")
        return
    bearer = SecretStore(aws.client("secretsmanager")).read(arn, "bearer_token")["bearer_token"]
    url = here.setting("X_URL")
    feed = XFeed(bearer) if url is None else XFeed(bearer, base_url=url)
    try:
        reading = feed.read(_QUERY, since_id=None, start_time=here.clock.now() - _WINDOW)
    except FeedRateLimited as error:
        yield warn("X", str(error), "wait for the window to end: ingestion goes on by itself")
    except FeedRefused as error:
        fix = "put a bearer token of a paid X app into the secret; see the app's page at X for credits"
        yield bad("X", str(error), fix)
    except FeedUnavailable as error:
        yield bad("X", str(error), "try again; X is down, or this machine has no way out")
    else:
        left = reading.rate_limit
        says = f"the search answers; it brought {len(reading.posts)} posts, billed at $0.005 each"
        if left is not None and left.remaining < _LEAST_LEFT:
            fix = f"wait until {left.resets_at:%H:%M} UTC: ingestion goes on by itself"
            yield warn("X", f"{says}; {left.remaining} of {left.limit} requests are left", fix)
        else:
            rate = "" if left is None else f"; {left.remaining} of {left.limit} requests are left"
            yield ok("X", says + rate)
    finally:
        feed.close()


def model(here: Installation) -> Findings:
    """Whether the model's server answers and knows the model. Costs nothing."""
    if here.setting("CLASSIFIER") != "llm":
        yield skipped("model", "posts are read by the grammar: no model is configured")
        return
    url, name, arn = (here.setting(each) for each in ("LLM_BASE_URL", "LLM_MODEL", "LLM_SECRET_ARN"))
    if not url or not name or not arn:
        fix = "set OUTCRY_LLM_BASE_URL, OUTCRY_LLM_MODEL and OUTCRY_LLM_SECRET_ARN"
        yield bad("model", "it is chosen, and not wholly configured", fix)
        return
    key = SecretStore(aws.client("secretsmanager")).read(arn, "api_key")["api_key"]
    try:
        require_model(LlmSettings(url, name, key))
    except ClassifierUnavailable as error:
        yield bad("model", str(error), "check the address, the model's name and the key in the secret")
    else:
        yield ok("model", f"{name} is known to its server; asking costs nothing")
