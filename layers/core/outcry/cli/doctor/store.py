"""SQL of the doctor: how the database itself is, and what it says about the desk. Private to the doctor; reads only."""

from outcry.runtime.database import Row, Transaction


def server(tx: Transaction) -> Row:
    """The server's time, version and connections, and whether this connection is encrypted.

    Connections are those of every role, and those that ordinary roles may have: pg_stat_activity would hide other roles'.
    """
    row = tx.one(
        """
        select clock_timestamp() as now, current_setting('server_version') as version,
               cast(current_setting('max_connections') as integer)
                   - cast(current_setting('superuser_reserved_connections') as integer)
                   - coalesce(cast(current_setting('reserved_connections', true) as integer), 0) as most,
               (select cast(sum(numbackends) as integer) from pg_stat_database) as used,
               coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as is_encrypted,
               (select version from pg_stat_ssl where pid = pg_backend_pid()) as tls
        """
    )
    assert row is not None, "a select without a table gives one row"
    return row


def schema(tx: Transaction) -> Row | None:
    """The newest migration that was applied and the oldest build that it breaks; None where there is no schema."""
    found = tx.one("select to_regclass('schema_migrations') is not null as found")
    if not found or not found["found"]:
        return None
    return tx.one(
        """
        select coalesce(max(version), 0) as version, coalesce(max(breaks_before), 0) as breaks_before
          from schema_migrations
        """
    )


def deployment_ids(tx: Transaction) -> list[str]:
    """Every deployment that is not switched off, by id."""
    rows = tx.all("select deployment_id from deployments where state <> 'HALTED' order by deployment_id")
    return [row["deployment_id"] for row in rows]


def beats(tx: Transaction) -> list[Row]:
    """When each stage ran last, and what it noted then."""
    return tx.all("select stage, beat_at, detail from heartbeats order by stage")
