"""Carries one request out: prepared, signed, sent, answered; one transaction per arrow and no network inside any.

Promises:
- Nonce, expiry and payload are committed before anything is signed; the exact bytes are committed before the socket is touched.
- Whoever finds a request half-way continues it by its state. What may have been sent is resolved, never sent afresh.
- SIGNED and SENT are committed together, because nothing can happen between them; SIGNED alone is what is left when no
  connection could be made, and then the same bytes may go out later.
- A signature that KMS does not give leaves PREPARED or EXPIRED, never a doubt: bytes that nobody stored were never sent. Whoever
  signs a PREPARED request again does so under its nonce, and no one but the holder of the claim stores and sends.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from outcry.agents.model import Account
from outcry.orders import actions_store
from outcry.orders.lifecycle import Takeover, client_order_id, is_expired, take_over
from outcry.orders.model import Action, ActionKind, ActionStatus, Order, OrderKind, Requests
from outcry.orders.outcomes import Known, Void, recorded, status_after, to_json
from outcry.orders.ports import Desk, LoadedSigner
from outcry.orders.risk import Refusal
from outcry.orders.signers import attributed
from outcry.runtime.database import Transaction
from outcry.runtime.errors import InfrastructureError, SignerRefused
from outcry.runtime.leases import Claim
from outcry.runtime.reasons import Reason
from outcry.venues.port import (
    Ambiguous,
    Answer,
    Done,
    Filled,
    Market,
    Outcome,
    RefusalKind,
    Refused,
    Request,
    Resting,
    Venue,
)

Guard = Callable[[Transaction], Refusal | None]
Learn = Callable[[Transaction, Outcome], None]
Resolve = Callable[["Held", Action, LoadedSigner | None, Learn | None, Guard | None], Known]

KINDS_WITH_CLOID = frozenset({ActionKind.PLACE})
NO_SIGNER = Refused(RefusalKind.SIGNER, Reason.NO_SIGNER, "no signer of this account is active")


@dataclass(frozen=True, slots=True)
class Held:
    """A claimed order: the order as it was read, its claim, the account that it trades for, and the requests that it had then."""

    order: Order
    claim: Claim
    account: Account
    requests: Requests


@dataclass(frozen=True, slots=True)
class Barred:
    """The guard forbade the request before it was prepared; nothing was signed."""

    refusal: Refusal


class Carrier:
    """Carries requests out for claimed orders."""

    def __init__(self, desk: Desk, resolve: "Resolve") -> None:
        self._desk = desk
        self._resolve = resolve

    def carry(
        self,
        held: Held,
        request: Request,
        market: Market,
        *,
        attempt: int,
        kind: ActionKind,
        lasting: timedelta,
        guard: Guard | None = None,
        still: Guard | None = None,
        learn: Learn | None = None,
    ) -> Known | Barred:
        """Carry out the request of one attempt, from wherever it stands, and return what is known afterwards.

        With its request the order is WORKING; leverage alone is set before that.
        `guard` may forbid the request in the transaction that would prepare it, and `still` forbids to send what was prepared
        earlier, for the first time or again; `learn` is called in the transaction that records a final answer, so that what
        follows from the answer is committed together with it.
        """
        venue = self._desk.venue_of(held.order)
        try:
            signer = self._desk.signers.active(held.account)
        except SignerRefused as refused:
            return self._without_signer(held, venue, attempt, kind, learn, still, _key_refused(refused))
        except InfrastructureError:
            if not self._is_signed(held, attempt, kind):
                raise
            return self._without_signer(held, venue, attempt, kind, learn, still, NO_SIGNER)
        if signer is None:
            return self._without_signer(held, venue, attempt, kind, learn, still, NO_SIGNER)
        now = self._desk.clock.now()
        expires_at = now + lasting
        if held.order.not_after is not None:
            expires_at = min(expires_at, held.order.not_after)
        with self._desk.database.transaction() as tx:
            action = None
            if (attempt, kind) in held.requests:
                action = actions_store.action(tx, held.order.order_id, attempt, kind)
            is_new = action is None
            if action is None:
                barred = guard(tx) if guard else None
                if barred is not None:
                    return Barred(barred)
                action = self._prepare(
                    tx, held, venue, request, market, signer, attempt, kind, now, expires_at
                )
        return self._continue(held, venue, signer, action, learn, still, is_new=is_new)

    def _is_signed(self, held: Held, attempt: int, kind: ActionKind) -> bool:
        """Whether the request has its bytes already: then a KMS that does not answer keeps nobody from asking what became of it."""
        with self._desk.database.transaction() as tx:
            action = actions_store.action(tx, held.order.order_id, attempt, kind)
        return action is not None and action.signed is not None

    def _without_signer(
        self,
        held: Held,
        venue: Venue,
        attempt: int,
        kind: ActionKind,
        learn: Learn | None,
        still: Guard | None,
        refused: Refused,
    ) -> Known:
        """No key can be opened: what was signed before is carried on all the same, and nothing new is begun."""
        with self._desk.database.transaction() as tx:
            action = actions_store.action(tx, held.order.order_id, attempt, kind)
        if action is None:
            return refused
        return self._continue(held, venue, None, action, learn, still, is_new=False)

    def _prepare(
        self,
        tx: Transaction,
        held: Held,
        venue: Venue,
        request: Request,
        market: Market,
        signer: LoadedSigner,
        attempt: int,
        kind: ActionKind,
        now: datetime,
        expires_at: datetime,
    ) -> Action:
        return actions_store.prepare(
            tx,
            held.order,
            held=held.claim,
            attempt=attempt,
            kind=kind,
            signer_id=signer.signer_id,
            signer_address=signer.key.address,
            nonce=self._desk.signers.next_nonce(tx, signer, now=now),
            expires_at=expires_at if venue.capabilities.expires else None,
            payload=venue.encode(request, market),
            cloid=client_order_id(held.order.order_id, attempt) if kind in KINDS_WITH_CLOID else None,
            now=now,
            is_at_work=kind is not ActionKind.SET_LEVERAGE,
        )

    def _continue(
        self,
        held: Held,
        venue: Venue,
        signer: LoadedSigner | None,
        action: Action,
        learn: Learn | None,
        still: Guard | None,
        *,
        is_new: bool,
    ) -> Known:
        now = self._desk.clock.now()
        todo = take_over(action.status, is_expired=is_expired(action, now))
        if todo is Takeover.READ:
            return recorded(action)
        if todo is Takeover.RESOLVE:
            return self._resolve(held, action, signer, learn, still)
        if todo is Takeover.LET_EXPIRE or _is_late(held.order, now):
            return self._let_expire(held, action, "it expired before it was sent")
        if todo is Takeover.SIGN and (signer is None or action.signer_address != signer.key.address):
            return self._let_expire(held, action, "its signer was replaced before it was signed")
        if not is_new and self._is_forbidden(still):
            return self._let_expire(held, action, "it was not wanted any more before it was sent")
        return self._send(held, venue, signer, action, learn, still)

    def _is_forbidden(self, still: Guard | None) -> bool:
        if still is None:
            return False
        with self._desk.database.transaction() as tx:
            return still(tx) is not None

    def _let_expire(self, held: Held, action: Action, why: str) -> Void:
        with self._desk.database.transaction() as tx:
            actions_store.move_action(tx, action, ActionStatus.EXPIRED, held=held.claim)
        return Void(why)

    def _send(
        self,
        held: Held,
        venue: Venue,
        signer: LoadedSigner | None,
        action: Action,
        learn: Learn | None,
        still: Guard | None,
    ) -> Known:
        signed = action.signed
        if signed is None:
            assert signer is not None, "only what was never signed needs a key"
            try:
                signed = venue.sign(
                    action.payload, nonce=action.nonce, expires_at=action.expires_at, signer=signer.key
                )
            except SignerRefused as refused:
                self._let_expire(held, action, "its key was refused before it was signed")
                return _key_refused(refused)
        now = self._desk.clock.now()
        if is_expired(action, now):  # a key in KMS may take longer to answer than the request lives
            return self._let_expire(held, action, "it expired while it was being signed")
        with self._desk.database.transaction() as tx:
            sent = actions_store.move_action(
                tx,
                action,
                ActionStatus.SENT,
                held=held.claim,
                signed=signed,
                sent_at=now,
                sends=action.sends + 1,
            )
        answer = venue.send(signed, address=held.account.address)
        known = record(self._desk, held, sent, answer, learn)
        if known.status is ActionStatus.UNKNOWN:
            return self._resolve(held, known, signer, learn, still)
        if known.status is ActionStatus.SIGNED:
            return answer.outcome
        return recorded(known)


def _is_late(order: Order, now: datetime) -> bool:
    """Whether an entry's time is over: at a venue that knows no expiry, nothing else would keep it from being sent."""
    return order.not_after is not None and now > order.not_after


def _key_refused(refused: SignerRefused) -> Refused:
    """To whoever asked it is the same as a signer that the venue refuses: nothing was sent, and a person has to act."""
    return Refused(RefusalKind.SIGNER, Reason.SIGNER_KEY_REFUSED, str(refused))


_JUDGED = frozenset(
    {
        RefusalKind.FINAL,
        RefusalKind.WIDEN,
        RefusalKind.CROSSED,
        RefusalKind.ALREADY_FLAT,
        RefusalKind.NOT_THERE,
    }
)


def _proves(outcome: Outcome) -> bool:
    """Whether an answer to bytes that were sent before says what became of them.

    A venue resolves the signer, checks the form and its limits before it looks at the nonce: such a refusal says nothing about
    the first send. What it judged on its merits had a nonce that was free until then.
    """
    return isinstance(outcome, Filled | Resting | Done) or (
        isinstance(outcome, Refused) and outcome.kind in _JUDGED
    )


def _believable(held: Held, action: Action, outcome: Outcome) -> Outcome:
    """Only a trigger can rest: an order that is immediate or cancelled, and is said to rest all the same, has to be asked about."""
    is_trigger = held.order.kind is OrderKind.PROTECT and not held.order.plan.get("crossed", False)
    if isinstance(outcome, Resting) and action.kind is ActionKind.PLACE and not is_trigger:
        return Ambiguous("an order that cannot rest is said to rest")
    return outcome


def _is_in_unknown_words(outcome: Outcome) -> bool:
    return isinstance(outcome, Refused) and outcome.kind is RefusalKind.UNKNOWN


def _doubt(action: Action) -> dict[str, str]:
    """Why an earlier answer to the action settled nothing, where there was one."""
    why = (action.answer or {}).get("why")
    return {"doubt": str(why)} if why else {}


def record(
    desk: Desk, held: Held, action: Action, answer: Answer, learn: Learn | None, *, is_proof: bool = False
) -> Action:
    """Commit what the venue answered to an action that is SENT or UNKNOWN, and return the action as it stands then.

    `is_proof`: the outcome was read from the venue's own record of the order, not from an answer to bytes sent again. What the venue
    did answer stays stored then, and `doubt` beside the outcome says why that answer settled nothing.
    """
    outcome = attributed(_believable(held, action, answer.outcome), action, held.account)
    to = status_after(outcome)
    if not is_proof and action.kind is ActionKind.PLACE and _is_in_unknown_words(outcome):
        to = ActionStatus.UNKNOWN  # such words prove nothing: what became of the order is asked
    if action.status is ActionStatus.UNKNOWN and not (is_proof or _proves(outcome)):
        return action  # nothing was learned that would end the uncertainty
    fields: dict[str, object] = {
        "answer": json.dumps(to_json(outcome) | (_doubt(action) if answer.raw is None else {})),
        "answered_at": desk.clock.now(),
    }
    if answer.raw is not None:
        fields["raw_answer"] = answer.raw
    if isinstance(outcome, Filled):
        fields |= {
            "acked_size": outcome.size,
            "acked_price": outcome.average_price,
            "venue_order_id": outcome.venue_order_id,
        }
    elif isinstance(outcome, Resting) and outcome.venue_order_id is not None:
        fields["venue_order_id"] = outcome.venue_order_id
    elif isinstance(outcome, Refused):
        fields["refusal"] = outcome.text
    with desk.database.transaction() as tx:
        known = actions_store.move_action(tx, action, to, held=held.claim, **fields)
        if learn is not None and to in {ActionStatus.ACKED, ActionStatus.REFUSED}:
            learn(tx, outcome)
    return known
