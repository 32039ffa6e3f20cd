"""`outcry status`: whether the desk is well, with what needs a person first.

Promises: what is wrong is said in words before any table; silence about a thing means that there is nothing to say about it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import typer

from outcry.cli import render, store
from outcry.cli.edge import AsJson, network, reading
from outcry.controls import gate
from outcry.custody import keyring
from outcry.monitoring.silence import LATE_AFTER, all_watched_at, last_runs
from outcry.orders.ports import LIVE_NETWORKS
from outcry.runtime.database import Row, Transaction
from outcry.runtime.version import build_id

NOTICES_SHOWN = 10
NOT_UNDERSTOOD_SHOWN = timedelta(hours=1)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("status")(status)


def status(as_json: AsJson = False) -> None:
    """Whether the desk is well: controls, stages, heartbeats, and what needs a person."""
    with reading() as (tx, now):
        found = _read(tx, now)
    if as_json:
        render.print_json(found)
    else:
        _show(found, now)


def _read(tx: Transaction, now: datetime) -> dict[str, Any]:
    notices = store.untold_notices(tx, limit=NOTICES_SHOWN)
    return {
        "at": now,
        "network": network(),
        "controls": [
            {
                "scope": control.scope,
                "mode": control.mode,
                "reason": control.reason,
                "set_by": control.set_by,
                "set_at": control.set_at,
            }
            for control in gate.standing_controls(tx)
        ],
        "locks": store.locks(tx, now=now),
        "canaries_missing": _canaries_missing(tx),
        "signers_unconfirmed": _signers_unconfirmed(tx, now),
        "unprotected": store.unprotected(tx),
        "unknown_orders": store.unknown_orders(tx),
        "quarantined": store.quarantined(tx),
        "not_understood": store.unknown_answers(tx, since=now - NOT_UNDERSTOOD_SHOWN),
        "notices_untold": {
            "total": notices[0]["total"] if notices else 0,
            "first": [{name: value for name, value in row.items() if name != "total"} for row in notices],
        },
        "heartbeats": _heartbeats(store.heartbeats(tx), all_watched_at(tx), now),
        "stages": store.stages(tx, now=now),
    }


def _canaries_missing(tx: Transaction) -> list[dict[str, Any]]:
    """Accounts that take no entries because no canary has passed with the build that runs."""
    runs = next((row["build"] for row in store.builds(tx) if row["stage"] == "tick"), None) or build_id()
    rows = store.accounts_without_canary(tx, networks=sorted(LIVE_NETWORKS), build=runs)
    return [{"account_id": row["account_id"], "network": row["network"], "build": runs} for row in rows]


def _signers_unconfirmed(tx: Transaction, now: datetime) -> list[dict[str, Any]]:
    """Accounts that take no entries because the venue does not confirm who signs for them."""
    found = []
    for signer in keyring.unconfirmed_signers(tx, now):
        known = signer.confirmation
        if known.has_ended(now):
            why = f"the approval of {signer.signer_id} ended on {render.moment(known.valid_until)} UTC"
        else:
            why = f"{signer.signer_id}: {known.venue_says or 'the venue was not asked about it yet'}"
        found.append({"account_id": signer.account_id, "signer_id": signer.signer_id, "why": why})
    return found


def _heartbeats(rows: list[Row], watched_at: datetime | None, now: datetime) -> list[dict[str, Any]]:
    """Every stage that ever ran or must run by itself, with its silence in seconds; of the monitor, for every account."""
    beats = last_runs({row["stage"]: row["beat_at"] for row in rows}, watched_at)
    return [
        {
            "stage": stage,
            "beat_at": beats.get(stage),
            "age_s": (now - beats[stage]) // timedelta(seconds=1) if stage in beats else None,
            "is_late": stage in LATE_AFTER and (stage not in beats or now - beats[stage] > LATE_AFTER[stage]),
        }
        for stage in sorted({*beats, *LATE_AFTER})
    ]


# ─── shown ──────────────────────────────────────────────────────────────────────────────────────────────────


def _show(found: Mapping[str, Any], now: datetime) -> None:
    render.say(f"Network {found['network']}, {render.moment(now)} UTC")
    _show_controls(found, now)
    _show_worries(found, now)
    columns = ("stage", "last ran", "")
    beats = [
        (
            beat["stage"],
            "never" if beat["beat_at"] is None else f"{render.age(beat['beat_at'], now)} ago",
            render.styled("LATE", render.BAD) if beat["is_late"] else "",
        )
        for beat in found["heartbeats"]
    ]
    render.table("Heartbeats", columns, beats)
    if found["stages"]:
        stages = [
            (
                row["stage"],
                row["status"],
                str(row["last_day"]),
                str(row["waiting"]) if row["waiting"] else render.NOTHING,
                render.age(row["waiting_since"], now) if row["waiting_since"] else render.NOTHING,
            )
            for row in found["stages"]
        ]
        render.table(
            "Stages",
            ("stage", "state", "24h", "waiting", "oldest"),
            stages,
            right="24h waiting oldest",
        )


def _show_controls(found: Mapping[str, Any], now: datetime) -> None:
    for control in found["controls"]:
        since = f"{control['set_by']}, {render.age(control['set_at'], now)} ago"
        render.say(f"{control['mode'].value.upper()} of {control['scope']}: {control['reason']} ({since})")
    for lock in found["locks"]:
        until = f"{lock['protection']}, until {render.moment(lock['locked_until'])} UTC"
        render.say(f"LOCK of {lock['scope']}: {lock['reason']} ({until})")
    if not found["controls"] and not found["locks"]:
        render.say("Entries may go ahead: no control and no lock stands.")


def _show_worries(found: Mapping[str, Any], now: datetime) -> None:
    late = [beat["stage"] for beat in found["heartbeats"] if beat["is_late"]]
    notices = found["notices_untold"]
    worries = [
        *(f"LATE: {stage} does not run when it should" for stage in late),
        *(
            f"CANARY: {row['account_id']} takes no entries: none has passed with build {row['build']};"
            f" run `outcry canary --network {row['network']} --account {row['account_id']}`"
            for row in found["canaries_missing"]
        ),
        *(
            f"SIGNER: {row['account_id']} takes no entries: {row['why']}"
            for row in found["signers_unconfirmed"]
        ),
        *(
            f"UNPROTECTED: {row['market']} {row['side']} {render.figure(row['size'])} on {row['account_id']},"
            f" {row['status']}, for {render.age(row['since'], now)}"
            for row in found["unprotected"]
        ),
        *(
            f"UNKNOWN: {row['kind']} {row['leg']} {row['market']} {row['side']} on {row['account_id']},"
            f" for {render.age(row['since'], now)}{_asked(row, now)}, order {row['order_id']}"
            for row in found["unknown_orders"]
        ),
        *(
            f"QUARANTINED: {row['table_name']} {row['key']}, {render.age(row['since'], now)} ago:"
            f" {' '.join((row['error'] or 'no error was noted').split())}"
            for row in found["quarantined"]
        ),
        *(
            f"NOT UNDERSTOOD: {row['what']} ({row['network']}), {render.count(row['times'], 'time')},"
            f" last {render.age(row['last_at'], now)} ago"
            for row in found["not_understood"]
        ),
        *(
            f"UNTOLD {row['level']} ({row['topic']}): {row['subject']}, {render.age(row['created_at'], now)} ago"
            for row in notices["first"]
        ),
    ]
    more = notices["total"] - len(notices["first"])
    if more:
        worries.append(f"UNTOLD: {render.count(more, 'more notice')}")
    if notices["total"]:
        worries.append("What they say: `outcry notices --untold`")
    render.say(*worries or ["Nothing needs a person: all is protected, known, told, and on time."])


def _asked(row: Mapping[str, Any], now: datetime) -> str:
    """What was asked about a request in doubt, and what would end the doubt."""
    if row["waits_for"] is None:
        return ""
    times = render.count(row["asked"], "time")
    return f", asked {times}, last {render.age(row['asked_at'], now)} ago ({row['why']}); it waits for {row['waits_for']}"
