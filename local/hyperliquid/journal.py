"""The venue's own diary: one JSON object a line, appended and flushed as it happens.

Promises: `seq` counts from 1 without gaps, `time_ms` is block time and never falls, money is a string, user
addresses are lower case. A line is written before the reply to the request that caused it. Never rewritten.

Kinds and their fields, besides `seq`, `time_ms`, `kind`:
- `fill`: user, coin, side "B"|"A", px, sz, oid, cloid|null, tid, fee, closed_pnl (without fee),
  start_position, dir, crossed, liquidation (bool), by "signed"|"trigger"|"hand"|"liquidation"
- `resting`: user, coin, oid, cloid|null, side, is_trigger, tpsl|null, trigger_px|null, limit_px, sz,
  reduce_only, is_position_tpsl. Written when the order is live: a child that waits for its parent is not.
- `resized`: user, coin, oid, sz (the new remaining size)
- `gone`: oid, user, coin, status (the venue's order status word: filled, canceled, ...). For orders that
  had a `resting` line only.
- `position`: user, coin, szi, entry_px|null (null when flat)
- `funding`: user, coin, usdc (signed: what the account received), szi, rate
- `leverage`: user, coin, mode "cross"|"isolated", value
- `agent`: master, agent, name|null, status "approved"|"replaced"|"removed"|"revoked"|"pruned"
- `cash`: user, usdc (signed), why
- `liquidated`: user, coin|null (null: the whole cross account), mark_px|null
- `refused`: signer|null, action_type, text
- `action`: signer, user, action_type, nonce, result (the /exchange answer)
- `request`: signer, action_type, nonce, expires_after|null, cloids (of an order's rows), reduce_only (every row of
  an order), digest (of the whole body). Written on arrival, before anything is decided, once for each arrival.
- `event`: what: something that a fault made happen; the fields of that event
- `reset`: no further fields; every account and order of before is void
"""

import json
from pathlib import Path
from typing import IO, Any


class Journal:
    """Append-only; keeps the records in memory as well when `keep` is set (tests read them there)."""

    def __init__(self, path: Path | None = None, *, keep: bool = False) -> None:
        self._file: IO[str] | None = path.open("a", encoding="utf-8") if path is not None else None
        self._keep = keep
        self._seq = 0
        self.records: list[dict[str, Any]] = []

    def write(self, kind: str, time_ms: int, **fields: Any) -> None:
        self._seq += 1
        record = {"seq": self._seq, "time_ms": time_ms, "kind": kind, **fields}
        if self._keep:
            self.records.append(record)
        if self._file is not None:
            self._file.write(json.dumps(record, separators=(",", ":")) + "\n")
            self._file.flush()

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The kept records of one kind, oldest first."""
        return [record for record in self.records if record["kind"] == kind]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
