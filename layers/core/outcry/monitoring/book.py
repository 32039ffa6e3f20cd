"""The open positions of some accounts, kept between passes, with the band in which each needs no decision.

Promises: in every pass the version of every row is read again, and a row is used from memory only where its version is the one
that was kept. So a pass over positions that stand still reads two short columns, and never an outdated level.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from outcry.monitoring import store
from outcry.monitoring.exits import Decision, Watch, Watched, watch
from outcry.positions import watch_store
from outcry.positions.model import Position
from outcry.runtime.database import Transaction


@dataclass(frozen=True, slots=True)
class Entry:
    """A position, and its band; no band before its levels are known."""

    position: Position
    watch: Watch | None


class Book:
    """What this process remembers of positions, by id."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, Entry]] = {}

    def read(self, tx: Transaction, account_ids: Sequence[str]) -> list[Entry]:
        """The owned positions of these accounts that still hold their place, as they are now."""
        versions = store.open_versions(tx, account_ids)
        kept = self._kept
        changed = [key for key, version in versions.items() if key not in kept or kept[key][0] != version]
        known = {key: kept[key][1].position for key in changed if key in kept}
        for key, position in watch_store.load_many(tx, changed, known).items():
            kept[key] = (position.version, Entry(position, _banded(position)))
        if len(self._kept) > 2 * len(versions) + 1000:
            self._forget_all_but(versions)
        return [self._kept[key][1] for key in versions]

    def keep(self, moved: Iterable[tuple[Position, Decision]]) -> None:
        """Remember rows as this process has just written them: the next pass reads their versions and nothing else."""
        for position, decision in moved:
            written = replace(
                position,
                peak=decision.peak,
                trail_price=decision.trail_price,
                crossed_since=decision.crossed_since,
                version=position.version + 1,
            )
            self._kept[str(position.position_id)] = (written.version, Entry(written, _banded(written)))

    def _forget_all_but(self, keys: Iterable[str]) -> None:
        self._kept = {key: self._kept[key] for key in keys}


def _banded(position: Position) -> Watch | None:
    watched = watched_from(position)
    return None if watched is None else watch(watched)


def watched_from(position: Position) -> Watched | None:
    """The position as the exit decision sees it; None before its levels are known."""
    if position.entry_price is None or position.stop_price is None:
        return None
    limit = position.plan.time_limit
    return Watched(
        side=position.side,
        entry_price=position.entry_price,
        stop_price=position.stop_price,
        stop_rests=position.protected_at is not None,
        trailing=position.plan.trailing,
        peak=position.peak if position.peak is not None else position.entry_price,
        trail_price=position.trail_price,
        resting_stop=position.stop_price,
        liquidation_price=position.liquidation_price,
        liquidation_buffer_frac=position.plan.liquidation_buffer_frac,
        ends_at=None if limit is None or position.opened_at is None else position.opened_at + limit,
        crossed_since=position.crossed_since,
    )
