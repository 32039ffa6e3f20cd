"""SQL of the command line: what people look at. Read only; changes go through the rooms that own them.

Promises: statements about what needs a person leave nothing out; lists are limited by their caller and newest first.
Never writes. Private to the command line.
"""

from datetime import datetime, timedelta

from outcry.runtime.database import Row, Transaction

_COVERED = """
    (:scope = 'desk' or :scope = 'account:' || x.account_id or :scope = 'deployment:' || x.deployment_id
     or :scope = 'agent:' || d.agent_id)
"""


def read_only(tx: Transaction) -> None:
    """From here on the transaction sees one moment and cannot write. First statement of a transaction only."""
    tx.execute("set transaction isolation level repeatable read, read only")


# ─── positions, orders, signals ─────────────────────────────────────────────────────────────────────────────


def held_positions(tx: Transaction, *, network: str, account: str | None) -> list[Row]:
    """Every position that is not gone, with the mark of its market and what its fills and funding add up to.

    Paper trades at the marks of the installation's live network.
    """
    return tx.all(
        """
        select p.position_id, p.account_id, p.deployment_id, p.venue, p.network, p.market, cast(p.side as text) as side,
               p.origin, p.status, p.is_owned, p.leverage, p.size, p.acked_size, p.entry_price, p.stop_price, p.trail_price,
               p.peak, p.liquidation_price, p.targets_hit, p.protected_at, p.protect_by, p.exit_reason, p.opened_at,
               p.created_at, m.mark, m.read_at as mark_at, why.evidence, why.username,
               coalesce(f.cash_usd, 0) as cash_usd, coalesce(f.fees_usd, 0) as fees_usd,
               coalesce(f.net_size, 0) as net_size,
               coalesce(g.funding_usd, 0) as funding_usd,
               (select coalesce(e.reason, e.plan ->> 'reason') from orders e where e.position_id = p.position_id and e.kind = 'exit'
                   and e.finished_at is null limit 1) as closing_for
          from positions p
          left join marks m on m.market = p.market and m.venue = case p.venue when 'paper' then 'hyperliquid' else p.venue end
               and m.network = case p.network when 'paper' then :network else p.network end
          left join lateral (
               select sum(case when is_buy then -price * size else price * size end) as cash_usd, sum(fee_usd) as fees_usd,
                      sum(case when is_buy then size else -size end) as net_size
                 from fills where position_id = p.position_id) f on true
          left join lateral (
               select sum(amount_usd * case when coalesce(held_size, 0) = 0 then 1
                                            else least(1, (p.size + p.acked_size) / abs(held_size)) end) as funding_usd
                 from funding_payments where position_id = p.position_id) g on true
          left join lateral (
               select c.evidence, a.username
                 from orders o join signals s using (signal_id) join calls c using (call_id)
                 join authors a on a.author_id = c.author_id
                where o.position_id = p.position_id and o.kind = 'enter' order by o.created_at limit 1) why on true
         where p.status not in ('CLOSED', 'ABANDONED')
           and (cast(:account as text) is null or p.account_id = cast(:account as text))
         order by p.account_id, p.market, p.created_at
        """,
        network=network,
        account=account,
    )


def orders(
    tx: Transaction, *, account: str | None, deployment: str | None, only_open: bool, limit: int
) -> list[Row]:
    """Orders, newest first."""
    return tx.all(
        """
        select order_id, deployment_id, account_id, venue, network, market, cast(side as text) as side, kind, leg, sequence,
               status, detail, coalesce(reason, case kind when 'exit' then plan ->> 'reason' end) as reason,
               size, limit_price, trigger_price, leverage, filled_size, average_price, attempt,
               position_id, signal_id, created_at, updated_at, finished_at, not_after, next_ring_at, quarantined_at, last_error
          from orders
         where (cast(:account as text) is null or account_id = cast(:account as text))
           and (cast(:deployment as text) is null or deployment_id = cast(:deployment as text))
           and (not cast(:only_open as boolean) or finished_at is null)
         order by created_at desc, order_id limit :limit
        """,
        account=account,
        deployment=deployment,
        only_open=only_open,
        limit=limit,
    )


def signals(tx: Transaction, *, agent: str | None, status: str | None, limit: int) -> list[Row]:
    """What agents decided, newest first, with whom they heard."""
    return tx.all(
        """
        select s.signal_id, s.agent_id, s.post_ids, s.token, s.venue, s.market, cast(s.side as text) as side, s.action,
               s.status, s.reason, s.detail, s.score, s.decided_at, c.conviction, c.evidence, a.username
          from signals s join calls c using (call_id) join authors a on a.author_id = c.author_id
         where (cast(:agent as text) is null or s.agent_id = cast(:agent as text))
           and (cast(:status as text) is null or s.status = cast(:status as text))
         order by s.decided_at desc, s.signal_id desc limit :limit
        """,
        agent=agent,
        status=status,
        limit=limit,
    )


# ─── status ─────────────────────────────────────────────────────────────────────────────────────────────────


def stages(tx: Transaction, *, now: datetime) -> list[Row]:
    """Per stage and state: how many rows the last 24 hours brought, how many wait for work, and since when."""
    return tx.all(
        """
        select * from (
            select 1 as place, 'posts' as stage, status, count(*) filter (where received_at > :since) as last_day,
                   count(*) filter (where next_ring_at is not null and quarantined_at is null) as waiting,
                   min(received_at) filter (where next_ring_at is not null and quarantined_at is null) as waiting_since
              from posts where received_at > :since or next_ring_at is not null group by status
            union all
            select 2, 'calls', status, count(*) filter (where heard_at > :since),
                   count(*) filter (where next_ring_at is not null and quarantined_at is null),
                   min(heard_at) filter (where next_ring_at is not null and quarantined_at is null)
              from calls where heard_at > :since or next_ring_at is not null group by status
            union all
            select 3, 'signals', status, count(*), 0, null from signals where decided_at > :since group by status
            union all
            select 4, 'orders', status, count(*) filter (where created_at > :since),
                   count(*) filter (where next_ring_at is not null and quarantined_at is null),
                   min(created_at) filter (where next_ring_at is not null and quarantined_at is null)
              from orders where created_at > :since or finished_at is null group by status
            union all
            select 5, 'positions', status, count(*) filter (where created_at > :since), 0, null
              from positions where created_at > :since or status not in ('CLOSED', 'ABANDONED') group by status
        ) as counted order by place, status
        """,
        since=now - timedelta(days=1),
    )


def heartbeats(tx: Transaction) -> list[Row]:
    """When each stage ran last."""
    return tx.all("select stage, beat_at from heartbeats order by stage")


def builds(tx: Transaction) -> list[Row]:
    """Which build each stage ran last, of those that name it."""
    return tx.all(
        "select stage, detail ->> 'build' as build from heartbeats where detail ? 'build' order by stage"
    )


def canary(tx: Transaction, key: str) -> Row | None:
    """The canary of a key, with its verdict and its report where it is over."""
    return tx.one(
        "select account_id, market, finished_at, passed, report from canaries where idempotency_key = :key",
        key=key,
    )


def accounts_without_canary(tx: Transaction, *, networks: list[str], build: str) -> list[Row]:
    """Accounts on these networks on which something is deployed, and no canary has passed with this build; and the last verdict."""
    return tx.all(
        """
        select a.account_id, a.network, last.passed as last_passed, last.build_id as last_build
          from accounts a
          left join lateral (select passed, build_id from canaries c where c.account_id = a.account_id and passed is not null
                              order by finished_at desc limit 1) last on true
         where a.network = any(cast(:networks as text[]))
           and exists (select 1 from deployments d join agents g using (agent_id)
                        where d.account_id = a.account_id and d.state = 'ACTIVE' and g.is_active)
           and not exists (select 1 from canaries c where c.account_id = a.account_id and c.build_id = :build and c.passed)
         order by a.account_id
        """,
        networks=networks,
        build=build,
    )


def locks(tx: Transaction, *, now: datetime) -> list[Row]:
    """Protections that forbid entries now."""
    return tx.all(
        """
        select scope, protection, reason, locked_at, locked_until from locks
         where lifted_at is null and locked_until > :now order by locked_until desc, scope
        """,
        now=now,
    )


def unprotected(tx: Transaction) -> list[Row]:
    """Owned positions that hold something and have no stop resting at the venue."""
    return tx.all(
        """
        select position_id, account_id, venue, market, cast(side as text) as side, size + acked_size as size, status,
               coalesce(opened_at, created_at) as since, protect_by
          from positions
         where is_owned and protected_at is null and status not in ('CLOSED', 'ABANDONED') and size + acked_size > 0
         order by since
        """
    )


def unknown_orders(tx: Transaction) -> list[Row]:
    """Orders of which nobody knows yet what the venue did with them: since when, what was asked, what it waits for."""
    return tx.all(
        """
        select o.order_id, o.account_id, o.market, cast(o.side as text) as side, o.kind, o.leg,
               coalesce(a.sent_at, a.prepared_at, o.updated_at) as sent_at, coalesce(a.prepared_at, o.updated_at) as since,
               a.kind as request, a.attempt, a.sends, a.expires_at, o.next_ring_at,
               cast(coalesce(a.answer ->> 'asked', '0') as integer) as asked,
               cast(a.answer ->> 'asked_at' as timestamptz) as asked_at,
               a.answer ->> 'why' as why, a.answer ->> 'waits_for' as waits_for
          from orders o
          left join lateral (select * from actions where actions.order_id = o.order_id and status in ('SENT', 'UNKNOWN')
                                and kind <> 'noop' order by prepared_at desc limit 1) a on true
         where o.finished_at is null and (o.status = 'UNKNOWN' or a.status = 'UNKNOWN')
         order by since
        """
    )


def quarantined(tx: Transaction) -> list[Row]:
    """Rows that were set aside until a person looks at them."""
    return tx.all(
        """
        select 'posts' as table_name, cast(post_id as text) as key, quarantined_at as since, last_error as error
          from posts where quarantined_at is not null
        union all
        select 'calls', cast(call_id as text), quarantined_at, last_error from calls where quarantined_at is not null
        union all
        select 'orders', cast(order_id as text), quarantined_at, last_error from orders where quarantined_at is not null
        union all
        select 'notices', cast(notice_id as text), quarantined_at, last_error from notices where quarantined_at is not null
        union all
        select 'fills', account_id || ' ' || fill_id, recorded_at, quarantine from fills where quarantine is not null
        order by since
        """
    )


def unknown_answers(tx: Transaction, *, since: datetime) -> list[Row]:
    """What venues answered lately and nobody has catalogued, by what was not understood; the bodies are in the table."""
    return tx.all(
        """
        select venue, network, what, times, first_at, last_at from unknown_answers where last_at > :since order by last_at desc
        """,
        since=since,
    )


def untold_notices(tx: Transaction, *, limit: int) -> list[Row]:
    """Notices that nobody was told yet: pages first, then the oldest. `total` counts all of them."""
    return tx.all(
        """
        select notice_id, level, topic, subject, created_at, count(*) over () as total from notices
         where told_at is null
         order by array_position(array['page', 'warning', 'info'], level), notice_id limit :limit
        """,
        limit=limit,
    )


def notices(tx: Transaction, *, untold: bool, level: str | None, limit: int) -> list[Row]:
    """Notices with all that they say, newest first."""
    return tx.all(
        """
        select notice_id, level, topic, subject, text, created_at, told_at, trace_id, attempts, last_error from notices
         where (not cast(:untold as boolean) or told_at is null)
           and (cast(:level as text) is null or level = cast(:level as text))
         order by created_at desc, notice_id desc limit :limit
        """,
        untold=untold,
        level=level,
        limit=limit,
    )


# ─── what a command would touch, or touched ─────────────────────────────────────────────────────────────────


def covered(tx: Transaction, scope: str) -> Row:
    """How many positions a scope holds, and how many entries of it are not final."""
    row = tx.one(
        f"""
        select (select count(*) from positions x join deployments d using (deployment_id)
                 where x.is_owned and x.status not in ('CLOSED', 'ABANDONED') and {_COVERED}) as positions,
               (select count(*) from orders x join deployments d using (deployment_id)
                 where x.kind = 'enter' and x.finished_at is null and {_COVERED}) as entries
        """,
        scope=scope,
    )
    assert row is not None
    return row


def account_of(tx: Transaction, signer_id: str) -> str | None:
    """Whose signer it is."""
    row = tx.one("select account_id from signers where signer_id = :signer_id", signer_id=signer_id)
    return None if row is None else str(row["account_id"])


def desk_rows(tx: Transaction) -> list[Row]:
    """Every part of the desk with its state and a fingerprint of the rest, to see what an application changed."""
    return tx.all(
        """
        select 'author' as kind, username as id, case when is_active then 'active' else 'inactive' end as state,
               cast(author_id as text) as content from authors
        union all
        select 'agent', agent_id, case when is_active then 'active' else 'inactive' end, md5(name || cast(strategy as text))
          from agents
        union all
        select 'follow', f.agent_id || ' → @' || a.username, 'weight ' || f.weight, ''
          from follows f join authors a using (author_id)
        union all
        select 'account', account_id, network,
               md5(concat_ws(' ', paper_balance_usd, foreign_policy, cast(limits as text))) from accounts
        union all
        select 'deployment', deployment_id, state, md5(cast(limits as text)) from deployments
        order by kind, id
        """
    )
