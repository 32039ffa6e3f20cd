"""Nonces are unique, rise per signer in the order in which they were handed out, and carry one body each. Pure.

A nonce is committed before its request is signed. So whatever was sent before another request was prepared has the lower
nonce: that is the order that can be seen from outside without trusting the counter itself. At the venue, one nonce may come
with one body only, however often; a no-op that burns it is the one other body that may ever come. What comes is what is
stored, to the byte.
"""

import bisect
from collections import defaultdict
from collections.abc import Iterator, Sequence

from local.audit.invariants.words import when
from local.audit.model import LedgerRequest, VenueEvent
from local.audit.verdict import Facts, Invariant, Judgement

_NOOP = "noop"


def nonces(facts: Facts) -> Judgement:
    """Judged on every request of the ledger, and every arrival at the venue that one of its signers signed."""
    by_signer: dict[str, list[LedgerRequest]] = defaultdict(list)
    for request in facts.ledger.requests:
        by_signer[request.signer].append(request)
    signers = {*by_signer, *(signer.address for signer in facts.ledger.signers)}
    arrivals = [
        event for event in facts.events if event.kind == "request" and str(event.fields["signer"]) in signers
    ]
    violations = [
        *(what for requests in by_signer.values() for what in _twice_or_falling(facts, requests)),
        *_behind_the_row(facts),
        *_other_bodies(arrivals, by_signer),
    ]
    return Judgement(Invariant.NONCES, len(facts.ledger.requests) + len(arrivals), tuple(violations))


def _twice_or_falling(facts: Facts, requests: Sequence[LedgerRequest]) -> Iterator[str]:
    holders: dict[tuple[int, bool], LedgerRequest] = {}
    for request in requests:
        holder = holders.setdefault((request.nonce, request.kind == _NOOP), request)
        if holder is not request:
            yield f"nonce {request.nonce} of {request.signer} was given to actions {holder.action_id} and {request.action_id}"
    taken = [
        each for each in requests if each.kind != _NOOP
    ]  # a no-op takes none: it has that of what it is to kill
    sent = sorted((each.sent_ms, each.nonce) for each in taken if each.sent_ms is not None)
    highest: list[int] = []
    for _, nonce in sent:
        highest.append(max(nonce, highest[-1] if highest else nonce))
    times = [at_ms for at_ms, _ in sent]
    for request in taken:
        before = bisect.bisect_left(times, request.prepared_ms - facts.bounds.skew_ms)
        if before and highest[before - 1] >= request.nonce:
            yield (
                f"action {request.action_id} of {request.signer} was prepared at {when(request.prepared_ms)} with nonce "
                f"{request.nonce}, when {highest[before - 1]} had been sent already"
            )
        if request.nonce < request.prepared_ms - facts.bounds.skew_ms:
            yield f"action {request.action_id} of {request.signer} has nonce {request.nonce}, older than its own time"


def _behind_the_row(facts: Facts) -> Iterator[str]:
    last = {signer.address: signer.last_nonce for signer in facts.ledger.signers}
    for request in facts.ledger.requests:
        if request.signer in last and request.nonce > last[request.signer]:
            yield (
                f"action {request.action_id} has nonce {request.nonce}, above the last one that its signer {request.signer} "
                f"says it handed out, {last[request.signer]}"
            )


def _other_bodies(arrivals: Sequence[VenueEvent], by_signer: dict[str, list[LedgerRequest]]) -> Iterator[str]:
    stored = {
        (request.signer, request.nonce, request.kind == _NOOP): request
        for requests in by_signer.values()
        for request in requests
    }
    bodies: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for arrival in arrivals:
        key = (str(arrival.fields["signer"]), int(arrival.fields["nonce"]))
        bodies[key][str(arrival.fields["digest"])] = str(arrival.fields["action_type"])
    for (signer, nonce), kinds in bodies.items():
        for is_noop in (False, True):
            came = [digest for digest, kind in kinds.items() if (kind == _NOOP) is is_noop]
            request = stored.get((signer, nonce, is_noop))
            if len(came) > 1:
                yield f"nonce {nonce} of {signer} came to the venue with {len(came)} different bodies"
            elif came and request is None:
                yield f"nonce {nonce} of {signer} came to the venue, and no action of the ledger has it"
            elif came and request is not None and request.digest != came[0]:
                yield f"what came to the venue under nonce {nonce} of {signer} is not what action {request.action_id} has stored"
