-- When each account was last watched by a whole pass, so that one account or one message of them that is never watched shows.
alter table snapshots add column watched_at timestamptz;               -- null: never
update snapshots set watched_at = taken_at;

-- One lease of the tick replaces one for each minute.
delete from leases where name like 'tick:%';
