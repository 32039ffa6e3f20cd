"""What only the database can say: how it is itself, its schema, what stands in the way of entries, and which stages run.

Promises: opens the one connection of the doctor and closes it again; reads in one transaction and writes nothing.
"""

from datetime import timedelta

from outcry import wiring
from outcry.agents import roster
from outcry.cli.doctor import store
from outcry.cli.doctor.facts import Facts, SignerFacts
from outcry.cli.doctor.finding import Finding, Findings, Installation, bad, ok, skipped, warn
from outcry.cli.store import accounts_without_canary, read_only
from outcry.controls import gate
from outcry.controls.restored import require_network
from outcry.custody import keyring
from outcry.monitoring.silence import LATE_AFTER, all_watched_at, last_runs
from outcry.orders.ports import LIVE_NETWORKS
from outcry.runtime.database import Row, Transaction
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.migrations import SCHEMA_MIN, bundled
from outcry.runtime.version import build_id

MOST_SKEW = timedelta(seconds=2)
FULL_AT = 80  # per cent of the database's connections
_NAME_THEIR_BUILD = frozenset({"tick", "ingest_posts"})


def read(here: Installation) -> tuple[list[Finding], Facts | None]:
    """How the database is, and what it says about the desk; None where its schema is not one that can be read.

    Raises DatabaseUnavailable, InfrastructureError or ConfigurationError.
    """
    database = wiring.plain_database()
    try:
        with database.transaction() as tx:
            read_only(tx)
            before = here.clock.now()
            server = store.server(tx)
            after = here.clock.now()
            found = [*_server(here, server, server["now"] - before - (after - before) / 2), *_schema(tx)]
            newest = store.schema(tx)
            if newest is None or newest["version"] < SCHEMA_MIN:
                return found, None
            return [*found, _network(tx, here.network)], _facts(tx)
    finally:
        database.close()


def _server(here: Installation, server: Row, skew: timedelta) -> Findings:
    yield ok("database", f"Postgres {server['version']} answers")
    if server["is_encrypted"]:
        yield ok("encryption", f"{server['tls']}, certificate and host name verified")
    elif here.network == "local":
        yield ok("encryption", "none, as only network=local may")
    else:
        yield bad("encryption", "the connection is not encrypted", "give the database a certificate")
    used, most = server["used"], server["most"]
    says = f"{used} of {most} in use"
    if used * 100 > most * FULL_AT:
        yield warn("connections", says, "raise max_connections, or close what else is connected")
    else:
        yield ok("connections", says)
    if here.setting("CLOCK_FILE"):
        yield skipped("database clock", "this installation is served its own time")
    elif abs(skew) > MOST_SKEW:
        yield warn(
            "database clock",
            f"it differs from this machine's by {skew.total_seconds():+.1f} s",
            "set this machine's clock by NTP, then look again; a managed database keeps its own right",
        )
    else:
        yield ok("database clock", f"within {MOST_SKEW.total_seconds():.0f} s of this machine's")


def _schema(tx: Transaction) -> Findings:
    row, newest = store.schema(tx), len(bundled())
    if row is None:
        yield bad("schema", "there is none", "deploy the stack, or run the migrate function")
    elif row["breaks_before"] > newest:
        yield bad(
            "schema",
            f"it is at {row['version']} and breaks builds before {row['breaks_before']}; this one knows {newest}",
            "use a newer build of the command line",
        )
    elif row["version"] < SCHEMA_MIN:
        yield bad(
            "schema", f"it is at {row['version']}, this build needs {SCHEMA_MIN}", "run the migrate function"
        )
    elif row["version"] != newest:
        yield warn(
            "schema",
            f"it is at {row['version']}, this build brings {newest}",
            "deploy this build, or use the command line of the build that is deployed",
        )
    else:
        yield ok("schema", f"at {newest}, as this build brings it")


def _network(tx: Transaction, network: str) -> Finding:
    """Whether the database serves the network that this installation trades on (F-56)."""
    try:
        require_network(tx, network)
    except ConfigurationError as error:
        return bad("network", str(error), error.fix)
    return ok("network", f"it serves {network}, or none yet")


def _facts(tx: Transaction) -> Facts:
    accounts = roster.accounts(tx)
    deployments = [roster.deployment(tx, name) for name in store.deployment_ids(tx)]
    signers = [
        SignerFacts(
            each.signer_id,
            each.account_id,
            each.address.lower(),
            each.custody.value,
            each.key_arn,
            each.status.value,
            each.valid_until,
        )
        for account in accounts
        for each in keyring.signers_of(tx, account.account_id)
    ]
    rows = store.beats(tx)
    ran = last_runs({row["stage"]: row["beat_at"] for row in rows}, all_watched_at(tx))
    beats = {row["stage"]: (ran[row["stage"]], row["detail"]) for row in rows}
    runs = beats["tick"][1].get("build") if "tick" in beats else None
    missing = accounts_without_canary(tx, networks=sorted(LIVE_NETWORKS), build=runs or build_id())
    return Facts(
        accounts=tuple(accounts),
        deployments=tuple(each for each in deployments if each is not None),
        signers=tuple(signers),
        controls=tuple(gate.standing_controls(tx)),
        beats=beats,
        without_canary={runs or build_id(): frozenset(row["account_id"] for row in missing)},
    )


# ─── what the facts say by themselves ───────────────────────────────────────────────────────────────────────


def controls(here: Installation) -> Findings:
    """What a person, or a first start, forbids."""
    if here.facts is None:
        yield skipped("controls", "the database did not say")
        return
    for control in here.facts.controls:
        since = f"{control.set_by}, {control.set_at:%Y-%m-%d %H:%M} UTC"
        yield warn(
            f"{control.mode.value} of {control.scope}",
            f"{control.reason} ({since})",
            f"when it is understood: outcry resume {control.scope}",
        )
    if not here.facts.controls:
        yield ok("controls", "none stands: entries may go ahead")


def canaries(here: Installation) -> Findings:
    """Live accounts at work, and whether a canary has passed on each with the build that runs."""
    if here.facts is None:
        yield skipped("canaries", "the database did not say")
        return
    at_work = {each.account.account_id: each.account for each in here.facts.deployments}
    live = [each for _, each in sorted(at_work.items()) if each.network in LIVE_NETWORKS]
    for build, missing in here.facts.without_canary.items():
        for account in live:
            if account.account_id in missing:
                fix = f"`outcry canary --network {account.network} --account {account.account_id}`"
                yield bad(account.account_id, f"it takes no entries: none has passed with build {build}", fix)
            else:
                yield ok(account.account_id, f"one has passed with build {build}")
    if not live:
        yield skipped("canaries", "no account at work is on mainnet or testnet")


def heartbeats(here: Installation) -> Findings:
    """The stages that run by themselves, and whether they do."""
    if here.facts is None:
        yield skipped("heartbeats", "the database did not say")
        return
    now = here.clock.now()
    for stage, most in LATE_AFTER.items():
        beat = here.facts.beats.get(stage)
        fix = f"see the log of {stage}; that its schedule or queue is enabled shows under functions"
        if beat is None:
            yield bad(stage, "it never ran", fix)
        elif now - beat[0] > most:
            yield bad(stage, f"it last ran {(now - beat[0]) // timedelta(seconds=1)} s ago", fix)
        else:
            yield ok(stage, f"it ran {max((now - beat[0]) // timedelta(seconds=1), 0)} s ago")


def versions(here: Installation) -> Findings:
    """The build of this command line beside the builds that ran last."""
    own = build_id()
    if here.facts is None:
        yield skipped("versions", f"this is {own}; the database did not say what runs")
        return
    ran = {
        stage: detail.get("build")
        for stage, (_, detail) in here.facts.beats.items()
        if stage in _NAME_THEIR_BUILD
    }
    if not ran:
        yield skipped("versions", f"this is {own}; nothing has run yet")
    for stage, build in sorted(ran.items()):
        if build == own:
            yield ok(stage, f"{build}, as this command line")
        else:
            yield warn(
                stage,
                f"it runs {build or 'a build that does not name itself'}, this command line is {own}",
                "deploy this checkout, or use the command line of the build that is deployed",
            )
