"""Uses up the nonce of a request in doubt by a no-op, so that the request can never run any more.

Promises:
- The no-op is signed with the very nonce of the request, by the very signer, and has a row of its own: prepared, signed and sent
  like any other. It expires never: whenever it arrives, all that it does is to use up that nonce.
- Accepted: the nonce was free until now, so the request never ran. `duplicate nonce`: it is used up, by the request or by an
  earlier copy of the no-op; whether the request ran is for the venue's lists to say, but it cannot run any more.
- Anything else leaves what was known. Without the signer's key nothing is done: then the request's expiry has to be waited for.

Source: Hyperliquid docs, nonces and API wallets ("invalidate pending nonce").
"""

import json
from dataclasses import replace

from outcry.orders import actions_store, doubt_store
from outcry.orders.carry import Held
from outcry.orders.doubt import Doubt
from outcry.orders.model import Action, ActionKind, ActionStatus
from outcry.orders.outcomes import to_json
from outcry.orders.ports import Desk, LoadedSigner
from outcry.runtime.database import Transaction
from outcry.runtime.errors import InfrastructureError
from outcry.venues.port import Answer, Done, Noop, NotSent, RefusalKind, Refused, Venue


class Burner:
    """Sends no-ops for requests in doubt."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __call__(self, held: Held, venue: Venue, action: Action, signer: LoadedSigner | None) -> Action:
        """Use up the action's nonce where that can be done now; returns the action with what was learned, if anything was."""
        if signer is None or signer.key.address != action.signer_address or Doubt.of(action).nonce_is_used:
            return action
        noop = self._prepared(held, venue, action, signer)
        if noop.status in {ActionStatus.ACKED, ActionStatus.REFUSED}:
            return action  # its answer was noted with the action, in one transaction
        try:
            signed = noop.signed or venue.sign(
                noop.payload, nonce=noop.nonce, expires_at=None, signer=signer.key
            )
        except InfrastructureError:  # KMS refuses, or does not answer: the venue can be asked all the same
            return action
        noop = self._sending(held, noop, signed)
        return self._learn(held, action, noop, venue.send(signed, address=held.account.address))

    def _prepared(self, held: Held, venue: Venue, action: Action, signer: LoadedSigner) -> Action:
        with self._desk.database.transaction() as tx:
            known = actions_store.action(tx, action.order_id, action.attempt, ActionKind.NOOP)
            return known or actions_store.prepare(
                tx,
                held.order,
                held=held.claim,
                attempt=action.attempt,
                kind=ActionKind.NOOP,
                signer_id=signer.signer_id,
                signer_address=signer.key.address,
                nonce=action.nonce,
                expires_at=None,
                payload=venue.encode(Noop(), None),
                cloid=None,
                now=self._desk.clock.now(),
            )

    def _sending(self, held: Held, noop: Action, signed: str) -> Action:
        """Commit that the no-op's bytes are about to be sent, for the first time or again."""
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            if noop.status in {ActionStatus.SENT, ActionStatus.UNKNOWN}:
                actions_store.count_send(tx, noop, now=now)
                return noop
            return actions_store.move_action(
                tx,
                noop,
                ActionStatus.SENT,
                held=held.claim,
                signed=signed,
                sent_at=now,
                sends=noop.sends + 1,
            )

    def _learn(self, held: Held, action: Action, noop: Action, answer: Answer) -> Action:
        outcome = answer.outcome
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            if isinstance(outcome, NotSent):
                if noop.status is ActionStatus.SENT:
                    actions_store.move_action(tx, noop, ActionStatus.SIGNED, held=held.claim)
                return action
            is_accepted = isinstance(outcome, Done)
            if is_accepted or (isinstance(outcome, Refused) and outcome.kind is RefusalKind.NONCE_USED):
                to = ActionStatus.ACKED if is_accepted else ActionStatus.REFUSED
                self._close(tx, held, noop, to, answer)
                doubt = Doubt.of(action)
                doubt = replace(
                    doubt, dead_at=doubt.dead_at or now, nonce_is_used=True, never_ran=is_accepted
                )
                return doubt_store.note(tx, action, doubt, held=held.claim)
            if noop.status is ActionStatus.SENT:
                self._close(tx, held, noop, ActionStatus.UNKNOWN, answer)
            return action

    def _close(self, tx: Transaction, held: Held, noop: Action, to: ActionStatus, answer: Answer) -> None:
        fields: dict[str, object] = {
            "answer": json.dumps(to_json(answer.outcome)),
            "answered_at": self._desk.clock.now(),
        }
        if answer.raw is not None:
            fields["raw_answer"] = answer.raw
        if isinstance(answer.outcome, Refused):
            fields["refusal"] = answer.outcome.text
        actions_store.move_action(tx, noop, to, held=held.claim, **fields)
