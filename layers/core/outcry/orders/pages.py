"""What people are told about orders that the ledger cannot carry out by itself."""

from datetime import datetime

from outcry.custody import keyring
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.orders import approval_store
from outcry.orders.carry import Held
from outcry.orders.doubt import Doubt
from outcry.orders.model import Order
from outcry.orders.recovery import resting_in_words
from outcry.runtime.database import Transaction
from outcry.runtime.errors import UnknownAnswer
from outcry.runtime.reasons import Reason
from outcry.venues.port import Refused


def page_signer(tx: Transaction, held: Held, refused: Refused, *, now: datetime) -> None:
    """The venue does not accept the account's signer, there is none, or KMS refuses its key: no more entries, and page a person.

    What the venue refused is noted with the signer, which the monitor asks about: entries come back by themselves once one is confirmed.
    KMS is asked by nobody, so its refusal halts the deployments until a person has looked.
    """
    order = held.order
    subject, what_to_do = (
        (
            f"KMS refuses the key of the signer of {order.account_id}",
            f"{refused.text}. Let execute_orders use the key again, or create another signer (`outcry signer create`).",
        )
        if refused.reason is Reason.SIGNER_KEY_REFUSED
        else (
            f"The signer of {order.account_id} is not accepted by {order.venue}",
            f"{refused.text}. Create another (`outcry signer create`) and approve it.",
        )
    )
    if refused.reason is not Reason.NO_SIGNER and not _is_noted(tx, held, refused, now):
        approval_store.halt_deployments(tx, order.account_id, now=now)
    tell(
        tx,
        level=Level.PAGE,
        topic="signers",
        subject=subject,
        text=(
            f"{refused.reason.sentence} {what_to_do} Entries on this account are stopped; stops that rest at the venue stay there. "
            f"{resting_in_words(tx, order.account_id)}"
        ),
        dedupe_key=f"signer:{order.account_id}:{now:%Y-%m-%dT%H}",
        now=now,
        trace_id=order.trace_id,
    )


def _is_noted(tx: Transaction, held: Held, refused: Refused, now: datetime) -> bool:
    """Whether the refusal is kept with a signer of the account, so that its entries are refused for it."""
    return refused.reason is Reason.SIGNER_INVALID and keyring.note_refusal(
        tx, held.account.account_id, refused.named_address, says=refused.text, now=now
    )


def page_unknown(tx: Transaction, held: Held, refused: Refused, *, now: datetime) -> None:
    """The venue refused in words that nobody has catalogued, or refused what we should never have built."""
    order = held.order
    tell(
        tx,
        level=Level.PAGE,
        topic="orders",
        subject=f"{order.venue} refused a {order.kind.value} of {order.market} in a way that needs a person",
        text=f"The venue said: {refused.text[:300]}. The raw answer is kept with the action of order {order.order_id}.",
        dedupe_key=f"refused:{order.position_id or order.order_id}:{order.leg}:{refused.text[:80]}:{now:%Y-%m-%dT%H}",
        now=now,
        trace_id=order.trace_id,
    )


def page_not_understood(tx: Transaction, order: Order, error: UnknownAnswer, *, now: datetime) -> None:
    """A venue answered a question about an order in a way that nobody has catalogued. Told again each hour that this lasts."""
    tell(
        tx,
        level=Level.PAGE,
        topic="orders",
        subject=f"{order.venue} answers about the {order.kind.value} of {order.market} on {order.account_id} what is not known",
        text=(
            f"{error}. Nothing is concluded from it, and what rests at the venue stays. The body is kept in unknown_answers; a build that "
            f"knows it goes on by itself, or after `outcry redrive orders {order.order_id}` where the order was set aside."
        ),
        dedupe_key=f"not-understood:{order.order_id}:{now:%Y-%m-%dT%H}",
        now=now,
        trace_id=order.trace_id,
    )


def page_in_doubt(tx: Transaction, held: Held, doubt: Doubt, *, since: datetime, now: datetime) -> None:
    """It is not known for long what became of a request. Told again each hour that this lasts."""
    order = held.order
    tell(
        tx,
        level=Level.PAGE,
        topic="orders",
        subject=f"It is not known what became of the {order.kind.value} of {order.market} on {order.account_id}",
        text=(
            f"Sent at {since:%H:%M:%S} UTC, asked about {doubt.asked} times: {doubt.why[:200]}. It waits for {doubt.waits_for}, is asked "
            f"about each minute, and never sent again. Look at the account at the venue; place a stop by hand where something is bare."
        ),
        dedupe_key=f"in-doubt:{order.order_id}:{order.attempt}:{now:%Y-%m-%dT%H}",
        now=now,
        trace_id=order.trace_id,
    )


def page_netted(tx: Transaction, held: Held, *, now: datetime) -> None:
    """Somebody traded the other way in the moment of an entry, and all that it filled closed theirs."""
    order = held.order
    tell(
        tx,
        level=Level.PAGE,
        topic="positions",
        subject=f"{order.market} on {order.account_id}: an entry only closed what others held",
        text="Somebody traded the other way between our look at the place and the fill. Nothing of it is ours: look at the account.",
        dedupe_key=f"netted:{order.order_id}",
        now=now,
        trace_id=order.trace_id,
    )


def page_unprotected(tx: Transaction, held: Held, why: str, *, now: datetime) -> None:
    """A position has no stop at the venue and is being closed for it."""
    order = held.order
    tell(
        tx,
        level=Level.PAGE,
        topic="protection",
        subject=f"{order.market} on {order.account_id} could not be protected and is being closed",
        text=f"The stop could not be placed: {why[:300]}.",
        dedupe_key=f"unprotected:{order.position_id}",
        now=now,
        trace_id=order.trace_id,
    )


def page_late_stop(tx: Transaction, held: Held, protect_by: datetime, *, now: datetime) -> None:
    """A position stood without a stop at the venue for longer than it may; by now it has one."""
    order = held.order
    tell(
        tx,
        level=Level.PAGE,
        topic="protection",
        subject=f"{order.market} on {order.account_id} was protected too late",
        text=f"Its stop rests now, {(now - protect_by).total_seconds():.0f} s after it should have at the latest.",
        dedupe_key=f"late-stop:{order.position_id}:{order.order_id}",
        now=now,
        trace_id=order.trace_id,
    )


def page_exit_fails(tx: Transaction, order: Order, error: Exception, *, now: datetime) -> None:
    """An exit failed on a message's last delivery. It is not given up, and what it is to close stays open meanwhile."""
    tell(
        tx,
        level=Level.PAGE,
        topic="exits",
        subject=f"An exit of {order.market} on {order.account_id} keeps failing",
        text=(
            f"It failed: {type(error).__name__}; the log of execute_orders says where. It stays due and is tried again every minute. "
            f"Until it works, close the position at the venue if it must be closed."
        ),
        dedupe_key=f"exit-fails:{order.order_id}:{now:%Y-%m-%dT%H}",
        now=now,
        trace_id=order.trace_id,
    )


def page_exit_at_floor(tx: Transaction, held: Held, *, now: datetime) -> None:
    """An exit has reached its widest bound and is still not flat."""
    order = held.order
    tell(
        tx,
        level=Level.PAGE,
        topic="exits",
        subject=f"{order.market} on {order.account_id} does not close",
        text="The exit is at its widest price bound and goes on trying. Look at the market and at the account.",
        dedupe_key=f"exit-floor:{order.order_id}:{now:%Y-%m-%dT%H}",
        now=now,
        trace_id=order.trace_id,
    )


def page_exit_put_off(tx: Transaction, held: Held, refused: Refused, *, now: datetime) -> None:
    """The venue takes no exit at the moment, and has not for a while. Told again each hour that this lasts."""
    order = held.order
    tell(
        tx,
        level=Level.PAGE,
        topic="exits",
        subject=f"{order.venue} takes no exit of {order.market} on {order.account_id} at the moment",
        text=f"It says: {refused.text[:300]}. The exit goes on, at least every five minutes; its stop at the venue stays.",
        dedupe_key=f"exit-put-off:{order.order_id}:{now:%Y-%m-%dT%H}",
        now=now,
        trace_id=order.trace_id,
    )


def page_unreadable(tx: Transaction, held: Held, error: Exception, *, now: datetime) -> None:
    """An exit cannot read what its venue shows: the answer is in no catalogue."""
    order = held.order
    tell(
        tx,
        level=Level.PAGE,
        topic="exits",
        subject=f"The exit of {order.market} on {order.account_id} cannot read its venue",
        text=f"{error}. It goes on asking; the stop at the venue stays. Close by hand if it must be now.",
        dedupe_key=f"exit-unreadable:{order.order_id}:{now:%Y-%m-%dT%H}",
        now=now,
        trace_id=order.trace_id,
    )


def tell_replaced_levels(
    tx: Transaction, held_subject: str, notes: tuple[str, ...], *, now: datetime, trace_id: str
) -> None:
    """Planned exit levels were replaced after the fill."""
    if notes:
        tell(
            tx,
            level=Level.INFO,
            topic="levels",
            subject="Exit levels were replaced after the fill",
            text="; ".join(notes),
            dedupe_key=f"levels:{held_subject}",
            now=now,
            trace_id=trace_id,
        )
