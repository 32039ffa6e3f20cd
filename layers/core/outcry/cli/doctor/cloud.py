"""What AWS can say: queues and their dead letters, secrets, the signing key, the functions and the account's limits.

Promises: a secret is opened only to see that its fields are there and lead to one database, and nothing of it is said; no message
is received, so no row's delivery is counted. What a local stand-in for AWS cannot answer is skipped, and says so.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from outcry.cli import aws, stack
from outcry.cli.doctor.finding import Finding, Findings, Installation, Verdict, bad, ok, skipped, warn
from outcry.runtime.errors import ConfigurationError, InfrastructureError
from outcry.runtime.queues import Queue
from outcry.runtime.secrets import SecretStore

OLD_AFTER = timedelta(minutes=5)
_AGE_WINDOW = timedelta(minutes=10)
_KEPT_FREE = 100  # AWS leaves at least this much of an account's concurrency unreserved
_PLACE = ("host", "port", "dbname")
_DATABASE = (*_PLACE, "username", "password")
_SECRETS = {
    "DATABASE_SECRET_ARN": _DATABASE,
    "X_SECRET_ARN": ("bearer_token",),
    "LLM_SECRET_ARN": ("api_key",),
}


# ─── queues ─────────────────────────────────────────────────────────────────────────────────────────────────


def queues(here: Installation) -> Findings:
    """Each queue that is configured: there, readable, and with nothing dead."""
    urls = {queue: here.setting(f"QUEUE_{queue.value.upper().replace('-', '_')}") for queue in Queue}
    known = {queue: url for queue, url in urls.items() if url}
    if not known:
        yield skipped("queues", "no OUTCRY_QUEUE_… is set: give --stack NAME to look at a deployed stack")
    for queue, url in known.items():
        yield from _queue(here, queue, url)


def _queue(here: Installation, queue: Queue, url: str) -> Findings:
    try:
        said = aws.ask("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    except InfrastructureError as error:
        yield bad(queue.value, str(error), "check that it exists and that you may read its attributes")
        return
    waiting = int(said.get("ApproximateNumberOfMessages", 0))
    in_flight = int(said.get("ApproximateNumberOfMessagesNotVisible", 0))
    age = _oldest_age(here, str(said["QueueArn"]).rsplit(":", 1)[1])
    says = f"{waiting} waiting, {in_flight} in flight"
    if age is None:
        yield ok(queue.value, f"{says}; the age of the oldest is not measured here or has no figure yet")
    elif age > OLD_AFTER:
        fix = "see the log of the function that reads it: it fails, or does not run"
        yield warn(queue.value, f"{says}, the oldest for {age.total_seconds():.0f} s", fix)
    else:
        yield ok(queue.value, f"{says}, the oldest for {age.total_seconds():.0f} s")
    policy = json.loads(said.get("RedrivePolicy") or "{}")
    if policy:
        yield from _dead_letters(here, queue, policy)
    elif queue is not Queue.TICKS_HYPERLIQUID:
        yield bad(queue.value, "it has no dead-letter queue", "deploy the stack again")


def _dead_letters(here: Installation, queue: Queue, policy: Mapping[str, Any]) -> Findings:
    subject = f"{queue.value} dead letters"
    receives, last_receive = int(policy["maxReceiveCount"]), here.setting("LAST_RECEIVE")
    if last_receive is not None and int(last_receive) != receives:
        yield bad(
            subject,
            f"the queue delivers {receives} times, the functions expect {last_receive}",
            "deploy the stack again: OUTCRY_LAST_RECEIVE must be the queue's maxReceiveCount",
        )
    try:
        name = str(policy["deadLetterTargetArn"]).rsplit(":", 1)[1]
        url = aws.ask("sqs", "get_queue_url", QueueName=name)["QueueUrl"]
        said = aws.ask(
            "sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
        )
    except InfrastructureError as error:
        yield bad(subject, str(error), "check that it exists and that you may read its attributes")
        return
    dead = int(said["Attributes"]["ApproximateNumberOfMessages"])
    if dead:
        fix = "see `outcry status` for the rows and why; `outcry redrive` them, then purge this queue"
        yield bad(subject, f"{dead} messages failed on their last delivery", fix)
    else:
        yield ok(subject, f"none; a message is given up after {receives} deliveries")


def _oldest_age(here: Installation, name: str) -> timedelta | None:
    """The age of the queue's oldest message as CloudWatch measured it last, or None where it did not."""
    now = here.clock.now()
    try:
        said = aws.ask(
            "cloudwatch",
            "get_metric_statistics",
            Namespace="AWS/SQS",
            MetricName="ApproximateAgeOfOldestMessage",
            Dimensions=[{"Name": "QueueName", "Value": name}],
            StartTime=now - _AGE_WINDOW,
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )
    except InfrastructureError:
        return None
    points = sorted(said.get("Datapoints", []), key=lambda point: point["Timestamp"])
    return timedelta(seconds=int(points[-1]["Maximum"])) if points else None


# ─── secrets and the signing key ────────────────────────────────────────────────────────────────────────────


def secrets(here: Installation) -> Findings:
    """Each secret that is named: there, readable, a JSON object with the fields that are needed; and one database behind them."""
    named = {name: arn for name in _SECRETS if (arn := here.setting(name)) is not None}
    for name, arn in named.items():
        yield _secret(name.removesuffix("_ARN"), arn, _SECRETS[name])
    if not named:
        yield skipped("secrets", "none is named here: the database is reached by a plain URL")
    orders = stack.orders_database_secret(here.functions or ())
    if orders is not None:
        found = _secret("ORDERS_DATABASE_SECRET", orders, _DATABASE)
        yield found
        if found.verdict is Verdict.OK and "DATABASE_SECRET_ARN" in named:
            yield _one_database(named["DATABASE_SECRET_ARN"], orders)


def _secret(subject: str, arn: str, fields: tuple[str, ...]) -> Finding:
    try:
        SecretStore(aws.client("secretsmanager")).read(arn, *fields)
    except ConfigurationError as error:
        return bad(subject, "it lacks what is needed", error.fix)
    except InfrastructureError as error:
        why = error.__cause__ or error
        return bad(subject, f"{error}: {_code(why)}", "check that it exists and that you may read it")
    return ok(subject, f"has {', '.join(fields)}")


def _one_database(first: str, second: str) -> Finding:
    """Whether both secrets lead to the same database: with one of them changed alone, no order is found where it is looked for."""
    store = SecretStore(aws.client("secretsmanager"))
    try:
        places = store.read(first, *_PLACE), store.read(second, *_PLACE)
    except (ConfigurationError, InfrastructureError):
        return skipped("one database", "a secret of the two cannot be read")
    differ = [field for field in _PLACE if places[0][field] != places[1][field]]
    if not differ:
        return ok("one database", "both secrets of the database lead to the same one")
    return bad(
        "one database",
        f"execute_orders has another {' and '.join(differ)} in its secret than all other functions: it finds no order, no stop, no exit",
        "put what is right into a new secret, and deploy with its ARN as DatabaseSecretArn or OrdersDatabaseSecretArn",
    )


def _code(error: BaseException) -> str:
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return str(code or type(error).__name__)


def signing_key(here: Installation) -> Findings:
    """The KMS key that signers' keys are sealed with, and those of signers whose keys never leave KMS."""
    arn = here.setting("SIGNING_KEY_ARN")
    if arn is None:
        yield skipped("signing key", "OUTCRY_SIGNING_KEY_ARN is not set")
    else:
        key = aws.ask("kms", "describe_key", KeyId=arn)["KeyMetadata"]
        yield _usable("signing key", key)
        yield _rotation(arn)
        yield from _sealed_elsewhere(here, str(key["Arn"]))
    for signer in here.facts.signers if here.facts else ():
        if signer.custody == "kms" and signer.status != "REVOKED":
            yield _usable(
                signer.signer_id, aws.ask("kms", "describe_key", KeyId=signer.key_arn)["KeyMetadata"]
            )


def _usable(subject: str, key: Mapping[str, Any]) -> Finding:
    """Whether a key of KMS can be used now."""
    state = str(key.get("KeyState", "unknown"))
    if state == "PendingDeletion":
        says = f"it will be deleted on {key.get('DeletionDate')}, and what it signs or seals is lost with it"
        return bad(subject, says, "cancel the deletion (kms cancel-key-deletion), then enable it")
    if state != "Enabled":
        return bad(subject, f"it is {state}: nothing can be signed, exits included", "enable it in KMS")
    return ok(subject, "enabled")


def _sealed_elsewhere(here: Installation, arn: str) -> Findings:
    """Signers that are sealed with another key than the functions may use: their keys cannot be opened (F-23)."""
    for signer in here.facts.signers if here.facts else ():
        if signer.custody == "envelope" and signer.status in {"ACTIVE", "DRAINING"} and signer.key_arn != arn:
            yield bad(
                signer.signer_id,
                f"it is sealed with {signer.key_arn}, which is not this stack's key",
                "make a signer anew, approve and activate it, or let the stack use that key",
            )


def _rotation(arn: str) -> Finding:
    try:
        rotates = aws.ask("kms", "get_key_rotation_status", KeyId=arn)["KeyRotationEnabled"]
    except aws.AwsRefused as refused:
        return skipped("key rotation", f"AWS does not say here: {refused.code}")
    if rotates:
        return ok("key rotation", "on")
    return warn("key rotation", "off", "enable it in KMS; what is sealed stays readable")


# ─── functions and the account's limits ─────────────────────────────────────────────────────────────────────


def functions(here: Installation) -> Findings:
    """Each function of the stack: there, whole, and connected to its queues (F-22, F-56)."""
    if here.functions is None:
        yield skipped("functions", "give --stack NAME to look at a deployed stack")
        return
    for each in here.functions:
        if each.state not in {"Active", ""} or each.last_update not in {"Successful", ""}:
            says = (
                f"it is {each.state or 'of unknown state'}, its last update {each.last_update or 'unknown'}"
            )
            yield bad(each.logical_id, says, "deploy the stack again; `sam logs` says why it failed")
            continue
        off = [one for one in _mappings(each.name) if one.get("State") != "Enabled"]
        if off:
            queue = str(off[0].get("EventSourceArn", "")).rsplit(":", 1)[-1]
            says = f"its queue {queue} is {off[0].get('State')}: what waits there is not worked on"
            yield bad(each.logical_id, says, "enable the event source mapping, or deploy the stack again")
        else:
            yield ok(each.logical_id, "active")


def limits(here: Installation) -> Findings:
    """Whether the account lets all functions run that the stack may run at a time."""
    if here.functions is None:
        yield skipped("concurrency", "give --stack NAME to compare it with what the stack needs")
        return
    try:
        said = aws.ask("lambda", "get_account_settings")["AccountLimit"]
        most, free = int(said["ConcurrentExecutions"]), int(said["UnreservedConcurrentExecutions"])
    except (aws.AwsRefused, KeyError):
        yield skipped("concurrency", "AWS does not say here")
        return
    needed = sum(_at_a_time(each.name) for each in here.functions)
    says = f"the stack runs up to {needed} at a time, the account allows {most} in all ({free} unreserved)"
    if most < needed:
        fix = "ask AWS to raise the quota of concurrent executions; until then runs wait and are repeated"
        yield warn("concurrency", says, fix)
    elif most < needed + _KEPT_FREE:
        yield ok("concurrency", f"{says}; too few for ReserveConcurrency=yes")
    else:
        yield ok("concurrency", says)


def _mappings(function: str) -> list[Any]:
    return aws.pages("lambda", "list_event_source_mappings", "EventSourceMappings", FunctionName=function)


def _at_a_time(function: str) -> int:
    """How many runs of a function its queues allow; one for those without a queue."""
    bounds = [one.get("ScalingConfig", {}).get("MaximumConcurrency", 1) for one in _mappings(function)]
    return sum(bounds) or 1
