"""Whether the venue itself confirms a signer: what was read, what that means, and in which words a person is told. Reads, never signs.

Promises:
- A signer is confirmed only where the venue names its address for this owner, now. An answer that did not come is no answer: it is
  raised, and whoever asked leaves everything as it was.
- The owner's list is read first; the address itself is asked about only where the list does not have it, because that is dear.

Source: Hyperliquid docs, nonces-and-api-wallets (named and unnamed API wallets, three named for each master, 16 characters);
recorded answers of `extraAgents` and `userRole`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from outcry.custody.record import SignerRecord, SignerStatus
from outcry.venues.approving import Approves, NamedSigner, Role

LISTED, ASKED = "extraAgents", "userRole"
MOST_NAMED = 3
LONGEST_NAME = 16


class Standing(StrEnum):
    """What the venue knows a signer's address as."""

    NAMED = "NAMED"
    UNNAMED = "UNNAMED"
    EXPIRED = "EXPIRED"
    OTHER_OWNER = "OTHER_OWNER"
    NOT_APPROVED = "NOT_APPROVED"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the venue says about one signer: `says` in words, `until` where it named a day, `source` the question it answered."""

    standing: Standing
    until: datetime | None
    source: str
    says: str

    @property
    def is_confirmed(self) -> bool:
        """Whether the signer may sign, as far as the venue is concerned."""
        return self.standing in {Standing.NAMED, Standing.UNNAMED}


def ask(
    venue: Approves,
    signer: SignerRecord,
    *,
    master: str,
    now: datetime,
    listed: Sequence[NamedSigner] | None = None,
) -> Verdict:
    """Ask the venue about a signer of `master`. `listed` spares the first question to whoever has the answer already.

    Raises VenueUnreachable and UnknownAnswer: nothing is assumed then.
    """
    named = venue.named_signers(master) if listed is None else listed
    return judge(signer, named, lambda: venue.role(signer.address), master=master, now=now)


def judge(
    signer: SignerRecord,
    listed: Iterable[NamedSigner],
    role: Callable[[], Role],
    *,
    master: str,
    now: datetime,
) -> Verdict:
    """What the owner's list says, and where it says nothing, what the address is known as."""
    found = next((each for each in listed if each.address == signer.address), None)
    if found is not None:
        if found.valid_until <= now:
            return _expired(signer, found.valid_until, LISTED)
        says = f"{signer.address} is approved as {found.name} until {found.valid_until:%Y-%m-%d %H:%M} UTC"
        return Verdict(Standing.NAMED, found.valid_until, LISTED, says)
    known = role()
    if known.name == "agent" and known.owner == master:
        if signer.valid_until is not None and signer.valid_until <= now:
            return _expired(signer, signer.valid_until, ASKED)  # the venue may go on taking it for a while
        says = f"{signer.address} is approved without a name: whoever opens the venue's own page replaces it"
        return Verdict(Standing.UNNAMED, None, ASKED, says)
    if known.name == "agent":
        says = f"{signer.address} is approved by another owner, {known.owner}, not by {master}"
        return Verdict(Standing.OTHER_OWNER, None, ASKED, says)
    if signer.valid_until is not None and signer.valid_until <= now:
        return _expired(signer, signer.valid_until, ASKED)
    says = (
        f"{signer.address} is not approved by {master} on {signer.network} (the venue knows it as {known.name}): never approved,"
        " approved on another network, removed, replaced, or gone because the owner has no funds"
    )
    return Verdict(Standing.NOT_APPROVED, None, ASKED, says)


def _expired(signer: SignerRecord, until: datetime, source: str) -> Verdict:
    says = f"the approval of {signer.address} ended on {until:%Y-%m-%d %H:%M} UTC"
    return Verdict(Standing.EXPIRED, until, source, says)


# ─── names at the venue ─────────────────────────────────────────────────────────────────────────────────────


def name_of(slot: int) -> str:
    """The name under which a slot's signer is approved: always the same, so that the next one of the slot takes its place."""
    name = f"outcry-{slot}"
    assert len(name) <= LONGEST_NAME
    return name


def no_room_for_another(
    listed: Sequence[NamedSigner], ours: Sequence[SignerRecord], *, slot: int, now: datetime
) -> str | None:
    """Why the owner cannot approve one more for this slot, in words; None where there is room, or where it takes a name over.

    Counted are the names that the venue lists, and those that signers of ours will take which are not approved yet.
    """
    living = [each for each in listed if each.valid_until > now]
    addresses = {each.address for each in living}
    waiting = [
        each
        for each in ours
        if each.status is not SignerStatus.REVOKED and each.address not in addresses and each.slot != slot
    ]
    taken = {each.name for each in living} | {name_of(each.slot) for each in waiting}
    if name_of(slot) in taken or len(taken) < MOST_NAMED:
        return None
    return (
        f"the owner has {len(taken)} named API wallets at the venue or waiting for it ({', '.join(sorted(taken))}), and it allows"
        f" {MOST_NAMED}: remove one there"
    )


def whose_name(listed: Sequence[NamedSigner], ours: Sequence[SignerRecord], *, slot: int) -> str | None:
    """The address that has the slot's name at the venue and is none of ours: approving under that name would end it."""
    known = {each.address for each in ours}
    return next(
        (each.address for each in listed if each.name == name_of(slot) and each.address not in known), None
    )
