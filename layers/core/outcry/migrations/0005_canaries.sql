-- Minimum trades that prove an account with a build: opened, protected, ratcheted and closed by the deployed functions.
-- Entries of live accounts are refused until one has passed with the build that would approve them.

create table canaries (
    canary_id     bigint generated always as identity primary key,
    idempotency_key text not null unique check (idempotency_key ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    account_id    slug not null references accounts,
    network       text not null,
    market        text not null,
    entry_order_id uuid references orders,
    build_id      text,                                         -- of the function that approved its entry, noted by it
    started_by    text not null,
    started_at    timestamptz not null,
    finished_at   timestamptz,
    passed        boolean,
    report        jsonb not null default '{}' check (jsonb_typeof(report) = 'object'),
    check ((finished_at is null) = (passed is null)),
    check (passed is not true or build_id is not null)
);
create unique index one_running_canary_per_account on canaries (account_id) where finished_at is null;
create index on canaries (account_id, build_id) where passed;
