-- Which database this is, so that a restored one is known from the one that its rows were written in.
--
-- The row is written by the first migrate of this build and whenever a restored database was recognised; a dump, a snapshot
-- and a replica carry it along. Entries are refused while the row names another database than the one that it lies in.

create function identity_of_this_database() returns text language plpgsql as $$
declare
    cluster  text := 'unknown';   -- made once, by initdb
    timeline text := 'unknown';   -- another after a recovery to a point in time, and after a standby took over
begin
    -- A managed Postgres may allow neither; what is left then is the database's own name and number.
    begin
        select cast(system_identifier as text) into cluster from pg_control_system();
    exception when others then null;
    end;
    begin
        timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
    exception when others then null;
    end;
    return concat_ws(' ', 'cluster', cluster, 'timeline', timeline, 'database', current_database(),
                     (select oid from pg_database where datname = current_database()));
end
$$;

create table database_identity (
    only_row      boolean primary key default true check (only_row),
    identity      text not null,
    address       text,                                         -- where the functions reached it; null: never said
    noted_at      timestamptz not null
);
