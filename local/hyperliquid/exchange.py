"""The path of a signed request, in the venue's order of checks.

Promises: schema, signer, principal, nonce, expiry, address budget, then the action. Unknown signers, schema
faults and unknown vaults leave the nonce unused; everything after admission uses it up, refusals included.
Never trusts an address in the body: who acts follows from the signature alone.
Sources: Hyperliquid docs, nonces-and-api-wallets; recorded testnet answers.
"""

from dataclasses import dataclass
from typing import Any

from local.hyperliquid import answers
from local.hyperliquid.accounts import Account
from local.hyperliquid.actions import HANDLERS, perform
from local.hyperliquid.answers import BadRequest, Json, Refused, err
from local.hyperliquid.canonical import address, canonical_action, integer, is_user_signed
from local.hyperliquid.limits import charge_address
from local.hyperliquid.margin import account_value
from local.hyperliquid.past import remember
from local.hyperliquid.signatures import recover_l1_signer, recover_user_signer
from local.hyperliquid.state import Venue


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A parsed envelope with its recovered signer (lower-case address)."""

    action: Json
    nonce: int
    signer: str
    vault: str | None
    expires_after: int | None


def parse(body: Any, network: Any) -> SignedRequest:
    """Read the envelope and recover its signer. Needs no state, so it runs outside the engine's lock.

    Raises `BadRequest` (422) for a wrong shape, `Refused` when no signer can be recovered."""
    if not isinstance(body, dict) or "action" not in body or "signature" not in body:
        raise BadRequest.schema()
    action, nonce = canonical_action(body["action"]), integer(body.get("nonce"))
    if action["type"] not in HANDLERS:
        raise BadRequest.schema()
    vault = address(body["vaultAddress"]) if body.get("vaultAddress") is not None else None
    expires = integer(body["expiresAfter"]) if body.get("expiresAfter") is not None else None
    if is_user_signed(action):
        if vault is not None or expires is not None:
            raise BadRequest.schema()
        signer = recover_user_signer(action, body["signature"], network)
    else:
        signer = recover_l1_signer(action, body["signature"], nonce, vault, expires, network)
    return SignedRequest(action, nonce, signer, vault, expires)


def execute(venue: Venue, request: SignedRequest) -> Json:
    """Admit and perform; refusals are answers, and everything is journalled."""
    kind = request.action["type"]
    try:
        account = _principal(venue, request)
        _admit(venue, account, request)
        remember(venue, account)
        venue.signer = request.signer
        result = perform(venue, account, request.action)
    except Refused as refusal:
        venue.note("refused", signer=request.signer, action_type=kind, text=refusal.text)
        return err(refusal.text)
    finally:
        venue.signer = None
    if result["status"] == "err":
        venue.note("refused", signer=request.signer, action_type=kind, text=result["response"])
    venue.note(
        "action",
        signer=request.signer,
        user=account.address,
        action_type=kind,
        nonce=request.nonce,
        result=result,
    )
    return result


def _principal(venue: Venue, request: SignedRequest) -> Account:
    """The account that this request acts on. Raises `Refused` for strangers."""
    signer = request.signer
    if is_user_signed(request.action):
        own = venue.account(signer)
        if own is None:
            raise Refused(answers.must_deposit(signer))
        stated = request.action.get("nonce", request.action.get("time"))
        if stated != request.nonce:
            raise Refused(answers.NONCE_MISMATCH)
        return own
    principal = _resolve_l1(venue, signer)
    if request.vault is None:
        return principal
    vault = venue.account(request.vault)
    if vault is None or vault.master != principal.address:
        raise Refused(answers.vault_missing(request.vault))
    return vault


def _resolve_l1(venue: Venue, signer: str) -> Account:
    master = venue.agents.master_of(signer, venue.now_ms)
    if master is not None:
        account = venue.ensure_account(master)
        if not venue.config.switches.prune_unfunded_agents or _is_funded(venue, account):
            return account
        venue.agents.prune_master(master, venue.now_ms)
    own = venue.account(signer)
    if own is not None:
        return own
    switches = venue.config.switches
    if venue.agents.was_agent(signer) and switches.replaced_agent_text == "must_deposit":
        raise Refused(answers.must_deposit(signer))
    prefix = "L1 error: " if switches.l1_error_prefix else ""
    raise Refused(prefix + answers.no_such_wallet(signer))


def _is_funded(venue: Venue, account: Account) -> bool:
    return bool(account.positions) or account.spot_usdc > 0 or account_value(venue, account) > 0


def _admit(venue: Venue, account: Account, request: SignedRequest) -> None:
    switches = venue.config.switches
    venue.nonces.check(request.signer, request.nonce, venue.now_ms, switches.duplicate_below_floor)
    expired = request.expires_after is not None and request.expires_after < venue.now_ms
    if not expired or switches.expired_burns_nonce:
        venue.nonces.use(request.signer, request.nonce, venue.now_ms)
    if expired:
        account.requests_used += switches.expired_costs
        raise Refused(answers.ACTION_EXPIRED)
    charge_address(switches, account, request.action, venue.now_ms)
