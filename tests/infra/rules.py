"""What an expanded template must hold, rule by rule. Each rule gives what is wrong in words, an empty list where nothing is.

Rules of queues and functions are here; those of who may do what and what is kept are in `rules_of_access.py`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from tests.infra.expanded import NESTED, Stack
from tests.infra.graph import circle, needs

Rule = Callable[[Stack], list[str]]

MOST_CONNECTIONS = 100  # of the smallest database that is supported
USED_AT_MOST = 0.8
ONE_RUN_AT_A_TIME = 1
EXITS = "ExitsQueue"
WITHOUT_DEAD_LETTERS = {
    "TicksHyperliquidQueue": "a tick is worth nothing a minute later; its alarm is the heartbeat's age"
}
FOURTEEN_DAYS_S = 14 * 24 * 3600
LIFE_OF_A_TICK_S = 60
LAST_RECEIVE = 4
OF_A_SOURCE = {"BatchSize", "EventSourceArn", "FunctionName", "FunctionResponseTypes", "ScalingConfig"}
RINGS_ITSELF = {"ExecuteOrdersFunction": "an exit rings its own queue until the venue shows zero"}
TO_ANSWER_S = 30  # what CloudFormation waits for, beyond the limit of migrate
FOLLOWS_ITS_UPSTREAM = {"IngestPostsFunction", "TickFunction", "MonitorHyperliquidFunction"}
BEFORE_THE_SCHEMA = {"MigrateFunction"}


def functions(stack: Stack) -> dict[str, Mapping[str, Any]]:
    """Every function by logical id."""
    return dict(stack.of("AWS::Lambda::Function"))


def sources(stack: Stack) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Every queue that feeds a function: queue, function, and how."""
    return [
        (p["EventSourceArn"]["Fn::GetAtt"][0], p["FunctionName"]["Ref"], p)
        for _, p in stack.of("AWS::Lambda::EventSourceMapping")
    ]


# ─── queues ───


def messages_stay_hidden_while_they_are_worked_on(stack: Stack) -> list[str]:
    """Six times the function's limit; exits come back sooner, after the limit and 15 s."""
    wrong = []
    for queue, function, _ in sources(stack):
        limit_s = functions(stack)[function]["Timeout"]
        expected_s = limit_s + 15 if queue == EXITS else 6 * limit_s
        hidden_s = stack.resources[queue]["Properties"].get("VisibilityTimeout", 30)
        if hidden_s != expected_s:
            wrong.append(f"{queue} hides for {hidden_s} s, {function} needs {expected_s} s")
    return wrong


def queues_keep_what_cannot_be_done(stack: Stack) -> list[str]:
    """A dead-letter queue of its own, for fourteen days, for each queue that feeds a function."""
    wrong, taken = [], set[str]()
    for queue, _, _ in sources(stack):
        redrive = stack.resources[queue]["Properties"].get("RedrivePolicy")
        if queue in WITHOUT_DEAD_LETTERS:
            continue
        dead = redrive["deadLetterTargetArn"]["Fn::GetAtt"][0] if redrive else None
        if dead is None or dead in taken:
            wrong.append(f"{queue} has no dead-letter queue of its own")
            continue
        taken.add(dead)
        kept_s = stack.resources[dead]["Properties"].get("MessageRetentionPeriod", 0)
        if kept_s != FOURTEEN_DAYS_S:
            wrong.append(f"{dead} keeps for {kept_s} s, not for fourteen days")
    return wrong


def queues_do_what_was_decided_and_nothing_else(stack: Stack) -> list[str]:
    """No delay, no other retention, no other number of deliveries, no policy of their own: whole property lists are compared."""
    wrong = []
    fed = {queue for queue, _, _ in sources(stack)}
    for name, properties in stack.of("AWS::SQS::Queue"):
        expected: dict[str, Any] = {"SqsManagedSseEnabled": True}
        if name in WITHOUT_DEAD_LETTERS:
            expected["MessageRetentionPeriod"] = LIFE_OF_A_TICK_S
        elif name in fed:
            dead = {"Fn::GetAtt": [name.removesuffix("Queue") + "DeadQueue", "Arn"]}
            expected["RedrivePolicy"] = {"deadLetterTargetArn": dead, "maxReceiveCount": LAST_RECEIVE}
        else:
            expected["MessageRetentionPeriod"] = FOURTEEN_DAYS_S
        elsewhere = {"QueueName", *(["VisibilityTimeout"] if name in fed else [])}
        found = {key: value for key, value in properties.items() if key not in elsewhere}
        if found != expected:
            wrong.append(f"{name} is {found}, not {expected}")
    return wrong


def queues_are_encrypted(stack: Stack) -> list[str]:
    """By SQS itself: the key is none of ours, so no function needs to use one for it."""
    return [
        f"{name} is not encrypted"
        for name, properties in stack.of("AWS::SQS::Queue")
        if properties.get("SqsManagedSseEnabled") is not True
    ]


def sources_report_each_failure_and_are_bounded(stack: Stack) -> list[str]:
    """Message by message, at once, all of them, and never more at a time than was said."""
    wrong = []
    for queue, function, properties in sources(stack):
        wrong += [f"{function} has {each} on {queue}" for each in sorted(set(properties) - OF_A_SOURCE)]
        if "ReportBatchItemFailures" not in properties.get("FunctionResponseTypes", []):
            wrong.append(f"{function} repeats whole batches of {queue}")
        if "MaximumConcurrency" not in properties.get("ScalingConfig", {}):
            wrong.append(f"{function} is not bounded on {queue}")
    return wrong


# ─── functions ───


def most_at_once(stack: Stack) -> dict[str, int]:
    """How many of each function run at once: what its sources allow, what HTTP lets in while one of them runs, or one."""
    bounds = dict.fromkeys(functions(stack), 0)
    for _, function, properties in sources(stack):
        bounds[function] += properties.get("ScalingConfig", {}).get("MaximumConcurrency", 1000)
    for _, properties in stack.of("AWS::Lambda::Permission"):
        if properties["Principal"] == "apigateway.amazonaws.com":
            function = str(properties["FunctionName"]["Ref"])
            bounds[function] += _let_in_by_http(stack, functions(stack)[function]["Timeout"])
    return {name: bound or ONE_RUN_AT_A_TIME for name, bound in bounds.items()}


def _let_in_by_http(stack: Stack, limit_s: int) -> int:
    """A full bucket at once, and what drips into it until the first of them has ended."""
    integrations = [
        p.get("TimeoutInMillis", 30_000) / 1000 for _, p in stack.of("AWS::ApiGatewayV2::Integration")
    ]
    longest_s = max(limit_s, *integrations)
    throttles = [p.get("DefaultRouteSettings", {}) for _, p in stack.of("AWS::ApiGatewayV2::Stage")]
    return sum(
        math.ceil(each.get("ThrottlingBurstLimit", 1000) + each.get("ThrottlingRateLimit", 1000) * longest_s)
        for each in throttles
    )


def connections_fit_the_database(stack: Stack) -> list[str]:
    """Even while one version replaces another."""
    most = sum(most_at_once(stack).values())
    room = USED_AT_MOST * MOST_CONNECTIONS
    return [f"{2 * most} connections, there is room for {room:.0f}"] if 2 * most > room else []


def reserved_concurrency_is_what_runs_at_most(stack: Stack) -> list[str]:
    """And is reserved only where that was asked for."""
    wrong = []
    for name, most in most_at_once(stack).items():
        found = functions(stack)[name].get("ReservedConcurrentExecutions")
        if found != {"Fn::If": ["ReservesConcurrency", most, {"Ref": "AWS::NoValue"}]}:
            wrong.append(f"{name} reserves {found}, it runs {most} times at once")
    return wrong


def what_runs_by_the_clock_is_not_repeated(stack: Stack) -> list[str]:
    """The next run is the repetition, of schedules and of everything that is invoked without waiting."""
    retries = {
        **{name: p["Target"].get("RetryPolicy", {}) for name, p in stack.of("AWS::Scheduler::Schedule")},
        **dict(stack.of("AWS::Lambda::EventInvokeConfig")),
    }
    unbounded = set(functions(stack)) - {
        p["FunctionName"]["Ref"] for _, p in stack.of("AWS::Lambda::EventInvokeConfig")
    }
    repeated = [name for name, found in retries.items() if found.get("MaximumRetryAttempts") != 0]
    return [f"{name} is repeated by AWS" for name in sorted({*unbounded, *repeated})]


def nothing_is_switched_off(stack: Stack) -> list[str]:
    """F-41: what has to stop is paused by an operator, in the database; a deployment is no kill switch."""
    off = [
        *(
            name
            for name, p in stack.of("AWS::Lambda::EventSourceMapping")
            if p.get("Enabled") in {False, "false"}
        ),
        *(name for name, p in stack.of("AWS::Scheduler::Schedule") if p.get("State") == "DISABLED"),
        *(name for name, p in functions(stack).items() if p.get("ReservedConcurrentExecutions") == 0),
    ]
    return [f"{name} is switched off" for name in off]


def names_leave_room_for_a_second_stack(stack: Stack) -> list[str]:
    """Whatever has a name of its own has the stack's name in it."""
    named = {
        "AWS::SQS::Queue": "QueueName",
        "AWS::Scheduler::Schedule": "Name",
        "AWS::IAM::Role": "RoleName",
        "AWS::Lambda::Function": "FunctionName",
        "AWS::Logs::LogGroup": "LogGroupName",
        "AWS::KMS::Alias": "AliasName",
        "AWS::SNS::Topic": "TopicName",
        "AWS::CloudWatch::Alarm": "AlarmName",
        "AWS::CloudWatch::Dashboard": "DashboardName",
    }
    return [
        f"{name} is called {found} in every stack"
        for kind, what in named.items()
        for name, properties in stack.of(kind)
        if (found := properties.get(what)) is not None and "StackName" not in str(found)
    ]


def schema_comes_before_what_uses_it(stack: Stack) -> list[str]:
    """So that a new function never meets an old schema, and a failed migration changes no function."""
    late = {
        name
        for name in set(functions(stack)) - BEFORE_THE_SCHEMA
        if "Schema" not in needs(stack.resources, name)
    }
    return [f"{name} does not wait for the schema" for name in sorted(late)]


def every_build_is_tried_before_functions_change(stack: Stack) -> list[str]:
    """What `migrate` is made of is what it is told, so that it runs with each new layer, secret and authority; and it is waited for."""
    if not functions(stack):
        return []
    body, migrate = stack.resources.get("Schema", {}), functions(stack)["MigrateFunction"]
    variables = migrate["Environment"]["Variables"]
    _, ca_file, _ = variables["OUTCRY_DATABASE_CA_FILE"]["Fn::If"]
    found = dict(body.get("Properties", {}))
    version = found.pop("Version", None)
    expected = {
        "ServiceToken": {"Fn::GetAtt": ["MigrateFunction", "Arn"]},
        "ServiceTimeout": migrate["Timeout"] + TO_ANSWER_S,
        "Code": migrate["Layers"][0],
        "Database": variables["OUTCRY_DATABASE_SECRET_ARN"],
        "CaFile": ca_file,
    }
    wrong = [] if found == expected and version else [f"Schema is {found}, not {expected}"]
    if (body.get("DeletionPolicy"), body.get("UpdateReplacePolicy")) != ("Retain", "Retain"):
        wrong.append("Schema asks migrate before a stack may be deleted")
    return wrong


def only_orders_ring_themselves(stack: Stack) -> list[str]:
    """Decision 0020: Lambda ends every other loop after some sixteen rounds."""
    return [
        f"{name} has RecursiveLoop {found}"
        for name, properties in functions(stack).items()
        if (found := properties.get("RecursiveLoop")) != ("Allow" if name in RINGS_ITSELF else None)
    ]


def nothing_goes_round_in_a_circle(stack: Stack) -> list[str]:
    """Deploying would be the first to find out."""
    found = circle(stack.resources)
    return [" needs ".join(found)] if found else []


# ─── what is seen of them ───


def logs_are_structured_and_have_an_end(stack: Stack) -> list[str]:
    """Each function writes JSON into a group of its own, and every group forgets."""
    wrong = []
    groups = dict(stack.of("AWS::Logs::LogGroup"))
    used = [
        properties.get("LoggingConfig", {}).get("LogGroup", {}).get("Ref")
        for properties in functions(stack).values()
    ]
    for name, properties in functions(stack).items():
        logging = properties.get("LoggingConfig", {})
        if logging.get("LogFormat") != "JSON":
            wrong.append(f"{name} does not log JSON")
        group = logging.get("LogGroup", {}).get("Ref")
        if group not in groups or used.count(group) > 1:
            wrong.append(f"{name} has no log group of its own")
    return wrong + [
        f"{name} never forgets"
        for name, properties in groups.items()
        if not properties.get("RetentionInDays")
    ]


def what_is_traced_was_decided(stack: Stack) -> list[str]:
    """Decision 0014: what runs by the clock follows its upstream, the rest is active."""
    wrong = []
    for name, properties in functions(stack).items():
        expected = "PassThrough" if name in FOLLOWS_ITS_UPSTREAM else "Active"
        mode = properties.get("TracingConfig", {}).get("Mode")
        if mode != expected:
            wrong.append(f"{name} is traced by {mode}, not {expected}")
    return wrong


def everything_that_a_person_reads_is_explained(stack: Stack) -> list[str]:
    """Parameters, outputs, keys and alarms; and what a person may give wrongly is refused in words."""
    wrong = []
    for section in ("Parameters", "Outputs"):
        for name, body in stack.template.get(section, {}).items():
            if len(body.get("Description", "")) < 15:
                wrong.append(f"{name} is not described")
            limited = {"AllowedPattern", "AllowedValues", "MinValue", "MaxValue"} & set(body)
            if limited and stack.name not in NESTED and not body.get("ConstraintDescription"):
                wrong.append(f"{name} refuses without a word")
    for kind, what in (("AWS::CloudWatch::Alarm", "AlarmDescription"), ("AWS::KMS::Key", "Description")):
        wrong += [f"{name} is not described" for name, p in stack.of(kind) if not p.get(what)]
    for name, rule in stack.template.get("Rules", {}).items():
        wrong += [
            f"{name} asserts without a word"
            for each in rule["Assertions"]
            if not each.get("AssertDescription")
        ]
    return wrong


def network_is_never_guessed(stack: Stack) -> list[str]:
    """F-56: nobody is on mainnet by omission."""
    network = stack.template.get("Parameters", {}).get("Network")
    if network is None:
        return []
    wrong = [] if "Default" not in network else ["Network has a default"]
    if network.get("AllowedValues") != ["mainnet", "testnet", "local"]:
        wrong.append("Network takes other values than mainnet, testnet and local")
    return wrong


RULES: tuple[Rule, ...] = (
    messages_stay_hidden_while_they_are_worked_on,
    queues_keep_what_cannot_be_done,
    queues_do_what_was_decided_and_nothing_else,
    queues_are_encrypted,
    sources_report_each_failure_and_are_bounded,
    connections_fit_the_database,
    reserved_concurrency_is_what_runs_at_most,
    what_runs_by_the_clock_is_not_repeated,
    nothing_is_switched_off,
    names_leave_room_for_a_second_stack,
    schema_comes_before_what_uses_it,
    every_build_is_tried_before_functions_change,
    only_orders_ring_themselves,
    nothing_goes_round_in_a_circle,
    logs_are_structured_and_have_an_end,
    what_is_traced_was_decided,
    everything_that_a_person_reads_is_explained,
    network_is_never_guessed,
)
