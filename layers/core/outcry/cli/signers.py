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
from outcry.cli import render, stack, store
from outcry.cli.edge import AsJson, Yes, ask_first, changing, known_account, network, reading, sentences
from outcry.custody import deployed, keyring
from outcry.custody.keyring import CreatedSigner
from outcry.custody.modes import Custody, custody_named
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.settings import Network

app = typer.Typer(name="signer", help="The keys that trade for accounts.", no_args_is_help=True)

_SIGNERS = "SignersFunction"  # in template.yaml

# What may be shown of a signer: never its envelope.
_SHOWN = (
    *("signer_id", "account_id", "venue", "network", "slot", "version"),
    *("status", "custody", "address", "key_arn", "valid_until", "created_at"),
)

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
    as_json: AsJson = False,
) -> None:
    """Make a signer and print the address to approve at the venue."""
    with sentences():
        made = _made(account, slot, custody_named(custody), function)
        with wiring.database().transaction() as tx:
            place = roster.account(tx, account)
    owner = account if place is None else place.address  # a function that was named may be of another desk
    says = (
        f"{made.signer_id} was made for {account} in slot {slot}, custody {made.custody}: address {made.address}."
        " It cannot sign yet."
    )
    follows = (
        f"The owner of {owner} approves {made.address} at {made.venue} ({made.network}) as an API wallet;"
        f" then run `outcry signer activate {made.signer_id}`."
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
        *("valid until", "made"),
    )
    render.table("Signers", columns, [_row(signer, now) for signer in found], right="slot")


@app.command()
def activate(
    signer: SignerId,
    valid_until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day on which the venue's approval ends, UTC."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let a signer sign, once its address is approved at the venue. The one before it drains."""
    until = None if valid_until is None else valid_until.replace(tzinfo=UTC)
    with changing() as (tx, now):
        if until is not None and until <= now:
            raise ConfigurationError("--valid-until", f"{until:%Y-%m-%d}", "name a day to come")
        keyring.activate_signer(tx, signer, valid_until=until, now=now)
        account = store.account_of(tx, signer)
        assert account is not None, "it was just activated"
        draining = [each.signer_id for each in keyring.signers_of(tx, account) if each.status == "DRAINING"]
    says = f"{signer} signs for {account} from now on."
    follows = "The next order of the account is signed by it; a signer that the venue does not accept is noticed then."
    if draining:
        follows += (
            f" {', '.join(draining)} only finishes what it began: revoke it when nothing of it is open."
        )
    _answer(
        as_json,
        {"signer_id": signer, "account_id": account, "draining": draining, "valid_until": until},
        says,
        follows,
    )


@app.command()
def revoke(signer: SignerId, yes: Yes = False, as_json: AsJson = False) -> None:
    """Stop a signer for good and free its slot."""
    ask_first(f"Stop {signer} for good? It can never sign again.", yes=yes)
    with changing() as (tx, now):
        account = store.account_of(tx, signer)
        if account is None:
            raise ConfigurationError("signer", signer, "there is none of that id: see `outcry signer show`")
        changed = keyring.revoke_signer(tx, signer, now=now)
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
    follows = f"The owner of {account} also removes its approval at the venue. Stops that rest there stay."
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
        render.styled(render.moment(until), render.BAD if until is not None and until <= now else ""),
        f"{render.age(signer['created_at'], now)} ago",
    )


def _answer(as_json: bool, document: dict[str, Any], says: str, follows: str) -> None:
    if as_json:
        render.print_json({**document, "says": says, "next": follows})
    else:
        render.say(says, follows)
