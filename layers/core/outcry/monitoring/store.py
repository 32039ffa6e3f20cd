"""SQL of the monitor: marks and markets as last read, what is in flight, what the venue last showed. Private to this room."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from outcry.agents.model import Account
from outcry.runtime.database import Row, Transaction
from outcry.runtime.side import Side
from outcry.venues.port import AccountSnapshot, Market, Marks

FROZEN_AFTER = 3  # beats in which no mark of a venue moved at all
BEAT = timedelta(seconds=10)  # readings nearer together than this are of one beat: many passes may share it


_KEY_LENGTH = 36  # of a position's id as text


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an account when a pass begins; None where it never was.

    `versions` is the id and the version of every owned position that holds its place, oldest first: see `split_versions`.
    `taken_at` is the venue's time of the last snapshot; `has_foreign` says that a holding of others is on record, `has_provisional`
    that the profit of a closed position is not final.
    """

    account_id: str
    versions: str
    has_foreign: bool
    has_provisional: bool
    taken_at: datetime | None
    orders_read_at: datetime | None
    funding_read_at: datetime | None


def known(tx: Transaction, account_ids: Sequence[str]) -> list[Known]:
    """What is known of each of these accounts, in one statement that reads the version of each of their positions."""
    rows = tx.all(
        """
        with open as (
            select account_id, string_agg(position_id || cast(version as text), ',' order by created_at, position_id)
                                   filter (where is_owned) as versions, bool_or(not is_owned) as has_foreign
              from positions
             where account_id = any(string_to_array(:ids, ',')) and status not in ('CLOSED', 'ABANDONED') group by account_id
        )
        select account_id, coalesce(o.versions, '') as versions, coalesce(o.has_foreign, false) as has_foreign,
               exists (select 1 from positions c where c.account_id = a.account_id and c.status = 'CLOSED' and c.is_owned
                          and not c.pnl_is_final) as has_provisional,
               s.taken_at, s.orders_read_at, s.funding_read_at
          from unnest(string_to_array(:ids, ',')) as a (account_id)
          left join open o using (account_id) left join snapshots s using (account_id)
        """,
        ids=",".join(account_ids),
    )
    return [Known(**row) for row in rows]


def split_versions(versions: str) -> list[tuple[str, int]]:
    """The id and the version of each position in `Known.versions`."""
    return [(pair[:_KEY_LENGTH], int(pair[_KEY_LENGTH:])) for pair in versions.split(",") if pair]


def write_marks(tx: Transaction, venue: str, network: str, marks: Marks) -> None:
    """Keep the marks of one complete answer, and for how many beats each has stood still."""
    tx.execute(
        """
        insert into marks as m (venue, network, market, mark, read_at, beat_at)
        select :venue, :network, r.key, cast(r.value as numeric), :read_at, :read_at from jsonb_each_text(cast(:prices as jsonb)) as r
        on conflict (venue, network, market) do update
           set still_beats = case when m.mark <> excluded.mark then 0
                                  when excluded.read_at - m.beat_at >= make_interval(secs => :beat) then m.still_beats + 1
                                  else m.still_beats end,
               beat_at = case when m.mark <> excluded.mark or excluded.read_at - m.beat_at >= make_interval(secs => :beat)
                              then excluded.read_at else m.beat_at end,
               mark = excluded.mark, read_at = excluded.read_at
         where m.read_at < excluded.read_at
        """,
        venue=venue,
        network=network,
        read_at=marks.received_at,
        beat=BEAT.total_seconds(),
        prices=json.dumps({market: str(mark) for market, mark in marks.prices.items()}),
    )


def is_feed_frozen(tx: Transaction, venue: str, network: str) -> bool:
    """Whether not one mark of the venue moved over three beats: then the feed is dead, however fresh it looks."""
    row = tx.one(
        """
        select count(*) > 1 and min(still_beats) >= :beats as frozen from marks where venue = :venue and network = :network
        """,
        beats=FROZEN_AFTER,
        venue=venue,
        network=network,
    )
    return bool(row and row["frozen"])


def write_markets(
    tx: Transaction, venue: str, network: str, markets: Mapping[str, Market], *, now: datetime
) -> None:
    """Keep what trades on a venue."""
    rows = [
        {
            "market": market.market,
            "asset": market.asset,
            "size_decimals": market.size_decimals,
            "max_leverage": market.max_leverage,
            "only_isolated": market.only_isolated,
            "is_delisted": market.is_delisted,
        }
        for market in markets.values()
    ]
    tx.execute(
        """
        insert into markets (venue, network, market, asset, size_decimals, max_leverage, only_isolated, is_delisted, read_at)
        select :venue, :network, market, asset, size_decimals, max_leverage, only_isolated, is_delisted, :now
          from jsonb_to_recordset(cast(:rows as jsonb)) as r (market text, asset integer, size_decimals smallint,
               max_leverage integer, only_isolated boolean, is_delisted boolean)
        on conflict (venue, network, market) do update
           set asset = excluded.asset, size_decimals = excluded.size_decimals, max_leverage = excluded.max_leverage,
               only_isolated = excluded.only_isolated, is_delisted = excluded.is_delisted, read_at = excluded.read_at
        """,
        venue=venue,
        network=network,
        rows=json.dumps(rows),
        now=now,
    )


def in_flight(
    tx: Transaction, account_ids: Sequence[str]
) -> dict[tuple[str, str], tuple[bool, datetime | None]]:
    """By account and place: whether a request may be changing the size now, and when the place last changed.

    Places where neither is so are left out, and so are changes long before the account's last snapshot: a later snapshot shows
    them, however far venue and feed lag.
    """
    rows = tx.all(
        """
        with busy as (
            select distinct account_id, position_key from orders
             where account_id = any(cast(:ids as text[])) and finished_at is null
               and kind in ('enter', 'exit') and status in ('WORKING', 'UNKNOWN')
        ), recent as (
            select f.account_id, f.position_key, max(f.filled_at) as at from fills f left join snapshots s using (account_id)
             where f.account_id = any(cast(:ids as text[]))
               and f.filled_at > coalesce(s.taken_at, '-infinity') - interval '1 minute'
             group by 1, 2
        )
        select coalesce(b.account_id, r.account_id) as account_id, coalesce(b.position_key, r.position_key) as position_key,
               b.account_id is not null as busy, r.at
          from busy b full join recent r using (account_id, position_key)
        """,
        ids=list(account_ids),
    )
    return {(row["account_id"], row["position_key"]): (row["busy"], row["at"]) for row in rows}


def end_discovered(
    tx: Transaction, account_ids: Sequence[str], shown: Sequence[tuple[str, str]], *, now: datetime
) -> None:
    """Close the records of foreign holdings of these accounts that no (account, position key) in `shown` names any more.

    Their profit is not ours to know.
    """
    tx.execute(
        """
        update positions p set status = 'CLOSED', closed_at = :now, updated_at = :now
         where p.account_id = any(string_to_array(:ids, ',')) and p.origin = 'DISCOVERED' and not p.is_owned and p.status = 'OPEN'
           and not exists (select 1 from unnest(cast(:accounts as text[]), cast(:keys as text[])) as s (account_id, position_key)
                            where s.account_id = p.account_id and s.position_key = p.position_key)
        """,
        ids=",".join(account_ids),
        accounts=[account_id for account_id, _ in shown],
        keys=[key for _, key in shown],
        now=now,
    )


def working_protections(tx: Transaction, position_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The stop that is planned or being placed, by position."""
    rows = tx.all(
        """
        select position_id, order_id from orders
         where position_id = any(cast(:ids as uuid[])) and kind = 'protect' and leg = 'stop'
           and finished_at is null and status <> 'RESTING' and quarantined_at is null
        """,
        ids=[str(position_id) for position_id in position_ids],
    )
    return {row["position_id"]: row["order_id"] for row in rows}


def beat(tx: Transaction, stage: str, *, now: datetime, detail: Mapping[str, Any]) -> None:
    """Say that a stage ran."""
    tx.execute(
        """
        insert into heartbeats (stage, beat_at, detail) values (:stage, :now, cast(:detail as jsonb))
        on conflict (stage) do update set beat_at = excluded.beat_at, detail = excluded.detail
        """,
        stage=stage,
        now=now,
        detail=json.dumps(dict(detail)),
    )


def stale_pending(
    tx: Transaction, account_ids: Sequence[str], *, now: datetime, after: timedelta
) -> list[Row]:
    """Positions that have waited long for the fills that close them."""
    return tx.all(
        """
        select position_id, account_id, market, trace_id from positions
         where account_id = any(string_to_array(:ids, ',')) and status = 'CLOSE_PENDING' and updated_at < :before
        """,
        ids=",".join(account_ids),
        before=now - after,
    )


def markets_read_at(tx: Transaction, venue: str, network: str) -> datetime | None:
    """When the venue's markets were last all read; None where they never were."""
    row = tx.one(
        "select min(read_at) as at from markets where venue = :venue and network = :network",
        venue=venue,
        network=network,
    )
    return row["at"] if row else None


def last_snapshots(
    tx: Transaction, account_ids: Sequence[str]
) -> dict[str, tuple[datetime, dict[str, Decimal]]]:
    """What the accounts were last seen to hold, and when."""
    rows = tx.all(
        "select account_id, taken_at, sizes from snapshots where account_id = any(cast(:ids as text[]))",
        ids=list(account_ids),
    )
    return {
        row["account_id"]: (row["taken_at"], {key: Decimal(size) for key, size in row["sizes"].items()})
        for row in rows
    }


def write_snapshots(
    tx: Transaction,
    snapshots: Mapping[str, AccountSnapshot],
    *,
    unchanged: Collection[str],
    watched: Collection[str],
    orders_read: Collection[str],
    funding_read: Collection[str],
    now: datetime,
) -> None:
    """Keep what each account is worth and holds, in one statement, and of which it was watched or more of it was read now.

    Older news than what is known is dropped, and shows of no account that it was watched. Of those in `unchanged` the holdings are
    what is stored, and are not sent.
    """
    said_at = now.isoformat()
    rows = [
        {
            "account_id": account_id,
            "equity_usd": str(snapshot.equity_usd),
            "free_usd": str(snapshot.free_usd),
            "taken_at": snapshot.taken_at.isoformat(),
            "sizes": None
            if account_id in unchanged
            else {market: str(size) for market, size in snapshot.holdings.sizes.items()},
            "watched_at": said_at if account_id in watched else None,
            "orders_read_at": said_at if account_id in orders_read else None,
            "funding_read_at": said_at if account_id in funding_read else None,
        }
        for account_id, snapshot in snapshots.items()
    ]
    if not rows:
        return
    tx.execute(
        """
        insert into snapshots (account_id, equity_usd, free_usd, taken_at, sizes, watched_at, orders_read_at, funding_read_at)
        select account_id, r.equity_usd, r.free_usd, r.taken_at, coalesce(r.sizes, s.sizes), r.watched_at, r.orders_read_at,
               r.funding_read_at
          from jsonb_to_recordset(cast(:rows as jsonb))
               as r (account_id text, equity_usd numeric, free_usd numeric, taken_at timestamptz, sizes jsonb,
                     watched_at timestamptz, orders_read_at timestamptz, funding_read_at timestamptz)
          left join snapshots s using (account_id)
        on conflict (account_id) do update set equity_usd = excluded.equity_usd, free_usd = excluded.free_usd,
               taken_at = excluded.taken_at, sizes = excluded.sizes,
               watched_at = greatest(snapshots.watched_at, excluded.watched_at),
               orders_read_at = greatest(snapshots.orders_read_at, excluded.orders_read_at),
               funding_read_at = greatest(snapshots.funding_read_at, excluded.funding_read_at)
         where snapshots.taken_at <= excluded.taken_at
        """,
        rows=json.dumps(rows),
    )


def insert_discovered(
    tx: Transaction,
    account: Account,
    *,
    market: str,
    side: Side,
    size: Decimal,
    entry_price: Decimal,
    now: datetime,
) -> bool:
    """Record a foreign holding, to be observed: it belongs to no deployment and is never traded. False: it is known."""
    touched = tx.execute(
        """
        insert into positions (account_id, venue, network, position_key, market, side, origin, status, is_owned, size,
                               entry_price, rules, opened_at, created_at, updated_at, trace_id)
        select n.account_id, :venue, :network, n.market, n.market, cast(:side as side), 'DISCOVERED', 'OPEN', false, :size,
               :entry_price, '{}', :now, :now, :now, :trace_id
          from (values (cast(:account_id as text), cast(:market as text))) as n (account_id, market)
         where not exists (select 1 from positions p where p.account_id = n.account_id and p.position_key = n.market
                              and p.origin = 'DISCOVERED' and not p.is_owned and p.status = 'OPEN')
        """,
        account_id=account.account_id,
        venue=account.venue,
        network=account.network,
        market=market,
        side=side.value,
        size=size,
        entry_price=entry_price,
        now=now,
        trace_id=f"discovered-{account.account_id}-{market}",
    )
    return touched == 1


def missing_protections(
    tx: Transaction, account_ids: Sequence[str], resting: Collection[str], *, before: datetime
) -> list[Row]:
    """The stops and steps of these accounts that the ledger believes to rest since `before`, whose client id is not in `resting`."""
    return tx.all(
        """
        select o.order_id, o.trace_id
          from orders o join actions a on a.order_id = o.order_id and a.attempt = o.attempt and a.kind = 'place'
         where o.account_id = any(string_to_array(:ids, ',')) and o.kind = 'protect' and o.status = 'RESTING'
           and o.finished_at is null and a.answered_at < :before
           and not exists (select 1 from unnest(string_to_array(:resting, ',')) as r (cloid) where r.cloid = a.cloid)
         order by o.created_at, o.order_id
        """,
        ids=",".join(account_ids),
        resting=",".join(resting),
        before=before,
    )


def surplus_protections(tx: Transaction, resting: Collection[str], *, before: datetime) -> list[Row]:
    """Of the client ids that rest at the venue those of stops and steps that the ledger had ended before, or placed anew since."""
    return tx.all(
        """
        select o.order_id, o.position_id, a.cloid
          from actions a join orders o using (order_id)
         where a.cloid = any(string_to_array(:resting, ',')) and a.kind = 'place' and o.kind = 'protect'
           and (o.finished_at < :before or a.attempt < o.attempt and a.prepared_at < :before)
         order by a.prepared_at, a.cloid
        """,
        resting=",".join(resting),
        before=before,
    )


def finalise(tx: Transaction, account_ids: Sequence[str], *, before: datetime, now: datetime) -> None:
    """Call the profit of positions final that were closed a funding period ago."""
    tx.execute(
        """
        update positions set pnl_is_final = true, updated_at = :now
         where account_id = any(string_to_array(:ids, ',')) and status = 'CLOSED' and is_owned and not pnl_is_final
           and realised_pnl_usd is not null and closed_at < :before
        """,
        ids=",".join(account_ids),
        before=before,
        now=now,
    )


def lost_targets(tx: Transaction, account_ids: Sequence[str]) -> list[Row]:
    """Take-profit steps of open positions that ended without a fill, and that nobody has planned anew; a few times at most."""
    return tx.all(
        """
        select distinct on (o.position_id, o.leg) o.position_id, o.leg, o.trigger_price, o.size
          from orders o join positions p using (position_id)
         where p.account_id = any(string_to_array(:ids, ',')) and p.status = 'OPEN' and o.kind = 'protect' and o.leg like 'tp%'
           and not exists (select 1 from orders other where other.position_id = o.position_id and other.kind = 'protect'
                              and other.leg = o.leg and (other.finished_at is null or other.filled_size > 0 or other.sequence >= 3))
           and not exists (select 1 from orders leaving where leaving.position_id = o.position_id and leaving.kind = 'exit')
         order by o.position_id, o.leg, o.sequence desc
        """,
        ids=",".join(account_ids),
    )
