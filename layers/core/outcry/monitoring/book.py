"""The open positions of some accounts, kept between passes, with the band in which each needs no decision.

Promises: in every pass the version of every row is read again, and a row is used from memory only where its version is the one
that was kept. So a pass over positions that stand still reads their versions and nothing else, and never an outdated level.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from outcry.monitoring import store
from outcry.monitoring.exits import Climb, Decision, Watch, Watched, watch
from outcry.monitoring.store import Known
from outcry.positions import watch_store
from outcry.positions.model import PositionStatus
from outcry.positions.standing import Standing
from outcry.runtime.database import Transaction
from outcry.runtime.side import Side

HELD = frozenset({PositionStatus.OPEN, PositionStatus.UNMANAGED})


@dataclass(frozen=True, slots=True)
class Entry:
    """A position, and its band; no band before its levels are known."""

    position: Standing
    watch: Watch | None


@dataclass(frozen=True, slots=True)
class Shelf:
    """The owned positions of one account that hold their place, oldest first, and what follows from them whatever the mark.

    `watched` is decided on at every mark, by market. `sizes` is what the venue must show, signed, by position key, zero left out.
    `held` must each have a stop that rests; `is_doubtful` says that one of them may have none. `is_waiting` says that fills are
    awaited that close one. `liquidation_prices` are what is known of those held, by market.
    """

    account_id: str
    entries: tuple[Entry, ...]
    watched: tuple[tuple[str, Watch, Standing], ...]
    sizes: Mapping[str, Decimal]
    held: tuple[Standing, ...]
    liquidation_prices: Mapping[str, Decimal | None]
    is_doubtful: bool
    is_waiting: bool


@dataclass(slots=True)
class _Kept:
    versions: str
    entries: dict[str, Entry]
    shelf: Shelf


@dataclass(frozen=True, slots=True)
class Page:
    """One account in one pass: what it holds by the book, and what earlier passes noted about it."""

    shelf: Shelf
    known: Known


class Book:
    """What this process remembers of positions, by account."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def read(self, tx: Transaction, account_ids: Sequence[str]) -> dict[str, Page]:
        """The owned positions of each of these accounts that still hold their place, as they are now."""
        known = store.known(tx, account_ids)
        outdated = {each.account_id: each.versions for each in known if not self._is_current(each)}
        if outdated:
            self._renew(tx, outdated)
        return {each.account_id: Page(self._kept[each.account_id].shelf, each) for each in known}

    def _is_current(self, known: Known) -> bool:
        kept = self._kept.get(known.account_id)
        return kept is not None and kept.versions == known.versions

    def _renew(self, tx: Transaction, outdated: Mapping[str, str]) -> None:
        entries: dict[str, dict[str, Entry]] = {}
        listed = {account_id: store.split_versions(versions) for account_id, versions in outdated.items()}
        missing: list[str] = []
        for account_id, pairs in listed.items():
            kept = self._kept.get(account_id)
            before = {} if kept is None else kept.entries
            entries[account_id] = current = {}
            for key, version in pairs:
                entry = before.get(key)
                if entry is not None and entry.position.version == version:
                    current[key] = entry
                else:
                    missing.append(key)
        for position in watch_store.standing(tx, missing):
            entries[position.account_id][position.key] = Entry(position, _banded(position))
        for account_id, versions in outdated.items():
            found = entries[account_id]
            ordered = [found[key] for key, _ in listed[account_id] if key in found]
            self._kept[account_id] = _Kept(versions, found, _shelf(account_id, ordered))

    def keep(self, moved: Iterable[tuple[Standing, Decision]]) -> None:
        """Remember rows as this process has just written them: the next pass reads their versions and nothing else."""
        for position, decision in moved:
            kept = self._kept.get(position.account_id)
            entry = None if kept is None else kept.entries.get(position.key)
            if kept is None or entry is None or entry.position is not position:
                continue
            written = position.moved(decision.peak, decision.trail_price, decision.crossed_since)
            climb = None if entry.watch is None else entry.watch.climb
            kept.entries[position.key] = Entry(written, _banded(written, climb))


def _shelf(account_id: str, entries: Sequence[Entry]) -> Shelf:
    positions = [entry.position for entry in entries]
    held = tuple(each for each in positions if each.held > 0 and each.status in HELD)
    return Shelf(
        account_id,
        tuple(entries),
        tuple(
            (entry.position.market, entry.watch, entry.position)
            for entry in entries
            if entry.watch is not None and entry.position.status in HELD
        ),
        {
            each.position_key: each.held if each.side is Side.LONG else -each.held
            for each in positions
            if each.held
        },
        held,
        {each.market: each.liquidation_price for each in held},
        any(each.protected_at is None or each.crossed_since is not None for each in held),
        any(each.status is PositionStatus.CLOSE_PENDING for each in positions),
    )


def _banded(position: Standing, climb: Climb | None = None) -> Watch | None:
    watched = watched_from(position)
    return None if watched is None else watch(watched, climb)


def watched_from(position: Standing) -> Watched | None:
    """The position as the exit decision sees it; None before its levels are known."""
    entry, stop, limit = position.entry_price, position.stop_price, position.time_limit
    if entry is None or stop is None:
        return None
    return Watched(
        position.side,
        entry,
        stop,
        position.protected_at is not None,
        position.trailing,
        position.peak if position.peak is not None else entry,
        position.trail_price,
        stop,
        position.liquidation_price,
        position.liquidation_buffer_frac,
        None if limit is None or position.opened_at is None else position.opened_at + limit,
        position.crossed_since,
    )
