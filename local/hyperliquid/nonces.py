"""Nonce admission per signer.

Promises: a nonce is admitted at most once per signer while it is inside the window; the answer to a seen one
is "duplicate", even below the floor of the hundred highest unless a switch says otherwise. Never looks at what the action does.
Sources: Hyperliquid docs, nonces-and-api-wallets; recorded testnet answers for the margins of the window.
"""

import bisect
from dataclasses import dataclass, field

from local.hyperliquid.answers import Refused

KEPT = 100
_DAY_MS = 86_400_000
_MARGIN_MS = 120_000


@dataclass(slots=True)
class _Signer:
    seen: set[int] = field(default_factory=set)
    ordered: list[int] = field(default_factory=list)


class NonceBook:
    def __init__(self) -> None:
        self._signers: dict[str, _Signer] = {}

    def check(self, signer: str, nonce: int, now_ms: int, below_floor: str = "duplicate") -> None:
        """Raises `Refused` with the venue's text unless the nonce may be used now. `below_floor` is what a
        seen one gets there: "duplicate", or "too_low" like any other."""
        lowest = now_ms - 2 * _DAY_MS + _MARGIN_MS
        highest = now_ms + _DAY_MS - _MARGIN_MS
        if nonce < lowest:
            raise Refused(f"Invalid nonce: nonce too low {nonce} < {lowest}")
        if nonce > highest:
            raise Refused(f"Invalid nonce: nonce too high {nonce} > {highest}")
        known = self._signers.get(signer)
        if known is None:
            return
        is_low = len(known.ordered) >= KEPT and nonce < known.ordered[-KEPT]
        if nonce in known.seen and not (is_low and below_floor == "too_low"):
            raise Refused(f"Invalid nonce: duplicate nonce {nonce}")
        if is_low:
            raise Refused(f"Invalid nonce: nonce too low {nonce} < {known.ordered[-KEPT]}")

    def use(self, signer: str, nonce: int, now_ms: int) -> None:
        """Mark a checked nonce as used, and forget those that left the window."""
        known = self._signers.setdefault(signer, _Signer())
        known.seen.add(nonce)
        bisect.insort(known.ordered, nonce)
        oldest = now_ms - 2 * _DAY_MS
        while known.ordered and known.ordered[0] < oldest and len(known.ordered) > KEPT:
            known.seen.discard(known.ordered.pop(0))

    def forget(self, signer: str) -> None:
        """A pruned agent loses its nonce set: that is why an address must never be approved again."""
        self._signers.pop(signer, None)
