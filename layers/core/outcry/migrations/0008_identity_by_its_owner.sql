-- Whoever asks which database this is gets the same answer: what its owner may ask, not what the asking role may. Two roles that
-- were told two identities would each take the database for a restored one, in turn, and no resume would hold.
create or replace function identity_of_this_database() returns text language plpgsql
    security definer set search_path = pg_catalog, pg_temp as $$
declare
    cluster  text := 'unknown';   -- made once, by initdb
    timeline text := 'unknown';   -- another after a recovery to a point in time, and after a standby took over
begin
    -- A managed Postgres may allow its owner neither; what is left then is the database's own name and number.
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

-- A restored database that was recognised waits until a person resumes the desk. A pause alone would not say so: one may have stood
-- before, and the canary is let past pauses.
alter table database_identity add column awaits_resume_since timestamptz;   -- null: it awaits nobody
