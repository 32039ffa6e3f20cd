"""`outcry signer …`: make a key that trades for an account, let it sign, show it, stop it.

Promises: addresses are shown, keys never; whatever has to be done at the venue is said with the address it is about. On a deployed
stack a signer is made by the stack's own function, which alone is let to by KMS; on network=local it is made here.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from outcry import wiring
from outcry.agents import roster
from outcry.agents.model import Account
from outcry.cli import approvals, render, stack, store
from outcry.cli.edge import AsJson, Yes, ask_first, changing, known_account, network, reading, sentences
from outcry.custody import deployed, keyring
from outcry.custody.approval import name_of
from outcry.custody.keyring import CreatedSigner
from outcry.custody.modes import Custody, custody_named
from outcry.custody.record import SignerRecord
from outcry.orders import recovery
from outcry.orders.signers import PAPER
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.settings import Network

app = typer.Typer(name="signer", help="The keys that trade for accounts.", no_args_is_help=True)

_SIGNERS = "SignersFunction"  # in template.yaml

# What may be shown of a signer: never its envelope.
_SHOWN = (
    *("signer_id", "account_id", "venue", "network", "slot", "version"),
    *("status", "custody", "address", "key_arn", "valid_until", "created_at"),
)
_CONFIRMED = ("verified_at", "verified_by", "refused_at", "venue_says")

SignerId = Annotated[str, typer.Argument(help="The signer's id, as `outcry signer show` lists it.")]


@app.command()
def create(
    account: Annotated[str, typer.Argument(help="The account that it will trade for.")],
    slot: Annotated[
        int, typer.Option(help="1 or 2: a new signer is approved in one while the other still trades.")
    ] = 1,
    custody: Annotated[
        str,
        typer.Option(
            help="envelope: sealed in the database, signs in memory. kms: made in KMS, never leaves it."
        ),
    ] = Custody.ENVELOPE.value,
    function: Annotated[
        str,
        typer.Option(
            help="The function that makes signers; with --stack it is the stack's, SignersFunctionName."
        ),
    ] = "",
    beyond_three: Annotated[
        bool, typer.Option(help="The venue allows this owner more than three named API wallets.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a signer and print the address to approve at the venue."""
    with sentences():
        mode = custody_named(custody)
        with wiring.database().transaction() as tx:
            place = roster.account(tx, account)
            ours = keyring.signers_of(tx, account)
        warning = ""
        if place is not None and place.venue != PAPER and slot in keyring.SLOTS:
            now = wiring.clock().now()
            warning = approvals.room_for(place, ours, slot, now, beyond=beyond_three)
        made = _made(account, slot, mode, function)
    owner = account if place is None else place.address  # a function that was named may be of another desk
    says = (
        f"{made.signer_id} was made for {account} in slot {slot}, custody {made.custody}: address {made.address}."
        " It cannot sign yet."
    )
    follows = (
        f"The owner of {owner} approves {made.address} at {made.venue} ({made.network}) as an API wallet named"
        f" {name_of(made.slot)}; then run `outcry signer activate {made.signer_id}`.{warning}"
    )
    if as_json:
        render.print_json({**asdict(made), "owner": owner, "says": says, "next": follows})
    else:
        render.say(says, follows)


def _made(account: str, slot: int, custody: Custody, function: str) -> CreatedSigner:
    of_stack = os.environ.get(stack.STACK_VARIABLE)
    if of_stack and not function:
        function = stack.name_of(of_stack, _SIGNERS)
    if function:
        return deployed.create_signer(function, account, slot, custody)
    here = network()
    if here != Network.LOCAL:
        raise ConfigurationError(
            "--function",
            None,
            f"on {here} the stack's own function makes signers: name it, or say `outcry --stack NAME signer create`",
        )
    return wiring.create_signer(account, slot, custody)


@app.command()
def show(
    account: Annotated[str, typer.Argument(help="Of this account alone.")] = "", as_json: AsJson = False
) -> None:
    """List the signers of an account, or of all."""
    with reading() as (tx, now):
        if account:
            known_account(tx, account)
        names = [account] if account else [each.account_id for each in roster.accounts(tx)]
        found = [
            {shown: getattr(signer, shown) for shown in _SHOWN}
            | {shown: getattr(signer.confirmation, shown) for shown in _CONFIRMED}
            for name in names
            for signer in keyring.signers_of(tx, name)
        ]
    if as_json:
        render.print_json({"at": now, "signers": found})
        return
    if not found:
        render.say("There is no signer. Make one with `outcry signer create ACCOUNT`.")
        return
    columns = (
        *("signer", "account", "venue", "network", "slot", "status", "custody", "address"),
        *("at the venue", "valid until", "made"),
    )
    render.table("Signers", columns, [_row(signer, now) for signer in found], right="slot")


@app.command()
def activate(
    signer: SignerId,
    valid_until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day on which you take the approval to end: a check."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let a signer sign, once the venue itself says that its address is approved. The one before it drains."""
    with sentences():
        account, record = _known(signer)
        verdict = approvals.verdict_on(account, record, wiring.clock().now())
        approvals.check_day(verdict, None if valid_until is None else valid_until.replace(tzinfo=UTC))
    with changing() as (tx, now):
        keyring.activate_signer(tx, signer, verdict, now=now)
        recovery.resume(tx, account.account_id, now=now)
        signers = keyring.signers_of(tx, account.account_id)
        draining = [each.signer_id for each in signers if each.status == "DRAINING"]
    says = f"{signer} signs for {account.account_id} from now on. The venue says: {verdict.says}."
    follows = "The next order of the account is signed by it."
    if verdict.until is None:
        follows += f" Have it approved again as {name_of(record.slot)}, by a signer of the other slot."
    if draining:
        follows += (
            f" {', '.join(draining)} only finishes what it began: revoke it when nothing of it is open."
        )
    _answer(
        as_json,
        {
            "signer_id": signer,
            "account_id": account.account_id,
            "draining": draining,
            "valid_until": verdict.until,
            "verified_by": verdict.source,
        },
        says,
        follows,
    )


def _known(signer: str) -> tuple[Account, SignerRecord]:
    """A signer that may be activated, with its account. Raises ConfigurationError for any other, before the venue is asked."""
    with wiring.database().transaction() as tx:
        name = store.account_of(tx, signer)
        account = None if name is None else roster.account(tx, name)
        found = (
            []
            if name is None
            else [each for each in keyring.signers_of(tx, name) if each.signer_id == signer]
        )
    if account is None or not found or found[0].status not in {"CREATED", "ACTIVE"}:
        raise ConfigurationError("signer", signer, "only a CREATED signer can be activated: make a new one")
    return account, found[0]


@app.command()
def revoke(
    signer: SignerId,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Also while requests of it have no known end: a key may be out.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Stop a signer for good and free its slot, once what it signed has come to its end."""
    ask_first(f"Stop {signer} for good? It can never sign again.", yes=yes)
    with changing() as (tx, now):
        account = store.account_of(tx, signer)
        if account is None:
            raise ConfigurationError("signer", signer, "there is none of that id: see `outcry signer show`")
        open_requests = recovery.in_flight(tx, signer)
        if open_requests and not at_once:
            says = f"{render.count(open_requests, 'request')} of it without a known end: wait until they have one, or say --at-once"
            raise ConfigurationError("signer", signer, says)
        was_active = any(
            each.signer_id == signer and each.status == "ACTIVE" for each in keyring.signers_of(tx, account)
        )
        changed = keyring.revoke_signer(tx, signer, now=now)
        resting = ""
        if was_active:
            held = recovery.suspend(tx, account, now=now)
            resting = f" {render.count(held, 'position')} UNMANAGED. {recovery.resting_in_words(tx, account)}"
        of_kms = [
            each.key_arn
            for each in keyring.signers_of(tx, account)
            if each.signer_id == signer and each.custody is Custody.KMS
        ]
    says = (
        f"{signer} is revoked: it never signs again."
        if changed
        else f"{signer} was revoked before: nothing was changed."
    )
    follows = (
        f"The owner of {account} also removes its approval at the venue. Stops that rest there stay.{resting}"
    )
    if of_kms:
        follows += (
            f" Then schedule the deletion of its key in KMS, which costs money until it is gone: {of_kms[0]}."
        )
    _answer(as_json, {"signer_id": signer, "account_id": account, "changed": changed}, says, follows)


def _row(signer: Mapping[str, Any], now: datetime) -> Sequence[str | Text]:
    until = signer["valid_until"]
    return (
        signer["signer_id"],
        signer["account_id"],
        signer["venue"],
        signer["network"],
        str(signer["slot"]),
        render.styled(signer["status"].value, render.GOOD if signer["status"] == "ACTIVE" else ""),
        signer["custody"].value,
        signer["address"],
        _word(signer),
        render.styled(render.moment(until), render.BAD if until is not None and until <= now else ""),
        f"{render.age(signer['created_at'], now)} ago",
    )


def _word(signer: Mapping[str, Any]) -> str | Text:
    if signer["refused_at"] is not None:
        return render.styled("refused", render.BAD)
    return render.styled("confirmed", render.GOOD) if signer["verified_at"] is not None else "not asked"


def _answer(as_json: bool, document: dict[str, Any], says: str, follows: str) -> None:
    if as_json:
        render.print_json({**document, "says": says, "next": follows})
    else:
        render.say(says, follows)
