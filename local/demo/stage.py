"""Sets everything up for a run, and takes it down again in the reverse order, however the run ends.

Promises: when `set_up` yields, all servers answer, the schema is there, the desk is applied, its live
accounts are funded and their signers approved, and entries are let in; whatever cannot be started is one
NotStarted or InputProblem with its reason, and nothing is left behind.
"""

import contextlib
import json
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from local.aws import ACCOUNT, REGION, LocalAws, running_aws
from local.clockwork import Clockwork
from local.demo.inputs import LEAD, TAIL, InputProblem, Inputs, write_posts_twice, write_venue_files
from local.demo.options import Options
from local.dispatcher.blueprint import Blueprint, FunctionSpec
from local.dispatcher.dispatcher import Dispatcher
from local.dispatcher.pool import Pool
from local.dispatcher.queues import Queues, sqs_client
from local.postgres import temporary_postgres
from local.processes import temporary_directory
from local.servers import ask_venue, serve
from local.x_api.server import DEFAULT_BEARER
from outcry.agents.desk_problem import DeskError
from outcry.agents.model import Account
from outcry.agents.roster import apply_desk
from outcry.controls import operate
from outcry.controls.model import DESK
from outcry.custody.keyring import activate_as_confirmed
from outcry.runtime.clock import to_milliseconds
from outcry.runtime.database import Address, Database
from outcry.venues.hyperliquid.venue import HyperliquidVenue

ROOT = Path(__file__).resolve().parents[2]
FUNDS_USD = Decimal(10_000)
SIGNER_LASTS = timedelta(days=90)
_JOURNAL = "venue-journal.jsonl"
_SET_UP_LEAD = timedelta(minutes=15)  # set-up happens this long before the time line, on the served clock

Progress = Callable[[str], None]


@dataclass(slots=True)
class Stage:
    """A run that is ready to begin."""

    clock: Clockwork
    dispatcher: Dispatcher
    pool: Pool
    queues: Queues
    database: Database
    journal: Path
    logs: Path
    hyperliquid_url: str
    x_url: str


@contextlib.contextmanager
def set_up(inputs: Inputs, options: Options, progress: Progress) -> Iterator[Stage]:
    """Everything that a run needs, for as long as the block runs."""
    until = inputs.last_at + TAIL
    _check_places(options)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(temporary_directory("demo"))
        kept = options.keep.resolve() if options.keep else folder
        clock = Clockwork.starting(folder / "clock", inputs.first_at - LEAD - _SET_UP_LEAD)
        stack.callback(clock.close)
        progress("starting Postgres")
        postgres = stack.enter_context(temporary_postgres())
        database_url = postgres.create_database("outcry")
        progress("starting the local AWS")
        aws = stack.enter_context(running_aws(clock_file=clock.path))
        progress("starting the local Hyperliquid and the local X")
        write_venue_files(inputs, until + TAIL, folder / "venue.json", folder / "prices.jsonl")
        journal = kept / _JOURNAL
        journal.unlink(missing_ok=True)
        venue = _serve(
            stack,
            "hyperliquid",
            ["--journal", journal, "--prices", folder / "prices.jsonl", "--config", folder / "venue.json"],
            clock,
            options.hyperliquid_port,
            kept,
        )
        posts = inputs.posts_file
        if options.posts_twice:
            posts = folder / "posts.jsonl"
            write_posts_twice(inputs, posts)
        x_url = _serve(stack, "x_api", ["--posts", posts], clock, options.x_port, kept)
        progress("making queues, keys and secrets out of template.yaml")
        cloud = _make_cloud(aws, clock, venue, x_url, database_url)
        pool = Pool(cloud.variables, kept, uuid4, lambda _: None, lambda: None, options.sabotage)
        stack.callback(pool.close)
        dispatcher = Dispatcher(
            cloud.functions,
            cloud.queues,
            pool,
            clock,
            new_id=uuid4,
            region=REGION,
            account=ACCOUNT,
            deliver_twice=options.deliver_twice,
        )
        progress("warming up the functions")
        for function in cloud.functions:
            pool.warm(function)
        database = Database(Address.from_url(database_url), network="local", application="demo")
        stack.callback(database.close)
        stage = Stage(clock, dispatcher, pool, cloud.queues, database, journal, kept, venue, x_url)
        _open_desk(stage, inputs, options.custody, progress)
        clock.move_to(inputs.first_at - LEAD)
        yield stage


def _check_places(options: Options) -> None:
    """Raises InputProblem where a port is taken, or what is to be kept has no place."""
    _check_port("--hyperliquid-port", options.hyperliquid_port)
    _check_port("--x-port", options.x_port)
    if options.x_port and options.x_port == options.hyperliquid_port:
        raise InputProblem(
            f"--x-port {options.x_port}: --hyperliquid-port has it: name another, or leave one out"
        )
    if options.keep is not None:
        _check_directory(options.keep)


def _check_port(option: str, port: int) -> None:
    """Raises InputProblem where somebody listens on the port already."""
    if port == 0:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputProblem(
                f"{option} {port}: {error.strerror}: name another port, or leave it out for a free one"
            ) from None


def _check_directory(keep: Path) -> None:
    """Make the directory of `--keep`. Raises InputProblem where nothing can be written in it."""
    try:
        keep.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=keep):
            (keep / _JOURNAL).unlink(missing_ok=True)
    except OSError as error:
        raise InputProblem(f"--keep {keep}: {error.strerror}: name a directory that can be written") from None


def _serve(
    stack: contextlib.ExitStack,
    module: str,
    arguments: list[str | Path],
    clock: Clockwork,
    port: int,
    logs: Path,
) -> str:
    """Start one of our servers as a process of its own, and give its URL."""
    process, url = serve(module, arguments, log=logs / f"{module}.log", port=port, clock_file=clock.path)
    stack.callback(process.stop)
    return url


@dataclass(frozen=True, slots=True)
class _Cloud:
    queues: Queues
    functions: list[FunctionSpec]
    variables: Mapping[str, str]


def _make_cloud(aws: LocalAws, clock: Clockwork, venue_url: str, x_url: str, database_url: str) -> _Cloud:
    """The template's resources in the local AWS, and its functions with their variables worked out."""
    import boto3

    def client(name: str) -> Any:
        return boto3.client(
            name,  # type: ignore[call-overload]
            endpoint_url=aws.endpoint_url,
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - nobody looks at it
        )

    x_secret = client("secretsmanager").create_secret(
        Name="outcry/x", SecretString=json.dumps({"bearer_token": DEFAULT_BEARER})
    )["ARN"]
    blueprint = Blueprint(
        ROOT / "template.yaml",
        {
            "Network": "local",
            "LocalHyperliquidUrl": venue_url,
            "LocalXUrl": x_url,
            "Classifier": "grammar",
            "XSecretArn": x_secret,
            "DatabaseSecretArn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:none-here",
        },
        region=REGION,
        account=ACCOUNT,
    )
    queues = Queues(sqs_client(aws.endpoint_url, REGION), blueprint.queues())
    kms = client("kms")
    keys = {
        name: {"Arn": kms.create_key(Description=name)["KeyMetadata"]["Arn"]} for name in blueprint.key_ids()
    }
    functions = [_without_cloud_database(f) for f in blueprint.functions({**queues.attributes, **keys})]
    variables = {
        **aws.environment,
        "OUTCRY_DATABASE_URL": database_url,
        "OUTCRY_CLOCK_FILE": str(clock.path),
    }
    return _Cloud(queues, functions, variables)


def _without_cloud_database(function: FunctionSpec) -> FunctionSpec:
    """The local database has no password, and so no secret: its address comes with the local endpoints."""
    left = {name: value for name, value in function.variables.items() if name != "OUTCRY_DATABASE_SECRET_ARN"}
    return replace(function, variables=left)


# ─── the desk ─────────────────────────────────────────────────────────────────────────────────────────────────


def _open_desk(stage: Stage, inputs: Inputs, custody: str, progress: Progress) -> None:
    progress("bringing the database to its schema through functions/migrate")
    stage.dispatcher.call("migrate", {})
    progress("applying the desk")
    try:
        with stage.database.transaction() as tx:
            apply_desk(tx, inputs.desk, stage.clock.now())
    except DeskError as error:
        raise InputProblem(str(error)) from None
    for account in inputs.desk.accounts:
        if account.venue == "hyperliquid":
            _open_account(stage, account, custody, progress)
    with stage.database.transaction() as tx:
        operate.resume(tx, DESK, "demo", stage.clock.now())


def _open_account(stage: Stage, account: Account, custody: str, progress: Progress) -> None:
    """Fund the account, make its signer through functions/signers, and approve it as the account's owner
    would.
    """
    progress(f"funding {account.account_id}, making its signer and approving it at the venue")
    until = stage.clock.now() + SIGNER_LASTS
    ask_venue(stage.hyperliquid_url, "fund", {"user": account.address, "usdc": str(FUNDS_USD)})
    created = stage.dispatcher.call("signers", {"account": account.account_id, "slot": 1, "custody": custody})
    approval = {
        "master": account.address,
        "agent": created["address"],
        "name": "outcry-1",
        "valid_until_ms": to_milliseconds(until),
    }
    ask_venue(stage.hyperliquid_url, "approve_agent", approval)
    venue = HyperliquidVenue("local", stage.hyperliquid_url, stage.clock)
    activate_as_confirmed(
        stage.database, venue, created["signer_id"], master=account.address, now=stage.clock.now()
    )
    progress(f"{created['signer_id']} signs for {account.account_id}, custody {created['custody']}")
