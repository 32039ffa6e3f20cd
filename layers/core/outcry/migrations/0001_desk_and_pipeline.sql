-- The state of a desk: who is followed, what was heard, what was decided, what was done, what is held.
-- Constraints carry the rules; the code only decides. Money, prices and sizes are numeric; times are timestamptz (UTC).
--
-- A claimable table carries the columns claim_token, claimed_until, attempts, last_error, next_ring_at, quarantined_at
-- (see runtime/leases.py): next_ring_at is set while the row waits for work and null when it is done.

create domain fraction as numeric check (value >= 0 and value <= 1);
create domain usd as numeric check (value <> 'NaN'::numeric and value <> 'Infinity'::numeric and value <> '-Infinity'::numeric);
create domain positive as numeric check (value > 0 and value <> 'NaN'::numeric and value <> 'Infinity'::numeric);
create domain slug as text check (value ~ '^[a-z0-9][a-z0-9_-]{0,62}$');

create type side as enum ('LONG', 'SHORT');

-- ─── agents/ ────────────────────────────────────────────────────────────────────────────────────────────────────────

create table authors (
    author_id     bigint primary key check (author_id > 0),
    username      text not null check (username ~ '^[A-Za-z0-9_]{1,15}$'),
    is_active     boolean not null default true,
    created_at    timestamptz not null,
    updated_at    timestamptz not null
);

create table agents (
    agent_id      slug primary key,
    name          text not null,
    strategy      jsonb not null check (jsonb_typeof(strategy) = 'object'),
    is_active     boolean not null default true,
    created_at    timestamptz not null,
    updated_at    timestamptz not null
);

create table follows (
    agent_id      slug not null references agents on delete cascade,
    author_id     bigint not null references authors,
    weight        smallint not null check (weight between 0 and 100),
    primary key (agent_id, author_id)
);

create table accounts (
    account_id      slug primary key,
    venue           text not null check (venue in ('hyperliquid', 'gmx', 'spot', 'paper')),
    network         text not null check (network in ('mainnet', 'testnet', 'local', 'paper')),
    address         text not null check (address = lower(address)),
    paper_balance_usd positive,
    foreign_policy  text not null default 'observe' check (foreign_policy in ('observe', 'manage', 'close')),
    limits          jsonb not null default '{}' check (jsonb_typeof(limits) = 'object'),
    fills_read_to   timestamptz,
    funding_read_to timestamptz,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    unique (venue, network, address),
    -- paper or live is the account's nature
    check ((venue = 'paper') = (network = 'paper')),
    check ((venue = 'paper') = (paper_balance_usd is not null)),
    check (venue = 'paper' or address ~ '^0x[0-9a-f]{40}$')
);

create table signers (
    signer_id     slug primary key,
    account_id    slug not null references accounts,
    slot          smallint not null check (slot in (1, 2)),
    version       integer not null check (version > 0),
    custody       text not null check (custody in ('envelope', 'kms')),
    address       text not null unique check (address ~ '^0x[0-9a-f]{40}$'),
    status        text not null check (status in ('CREATED', 'ACTIVE', 'DRAINING', 'REVOKED')),
    key_arn       text not null,
    wrapped_key   bytea,
    seal_nonce    bytea,
    sealed_key    bytea,
    last_nonce    bigint not null default 0 check (last_nonce >= 0),
    valid_until   timestamptz,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    unique (account_id, version),
    check (custody <> 'envelope' or (wrapped_key is not null and octet_length(seal_nonce) = 12 and sealed_key is not null))
);
create unique index one_signer_per_slot on signers (account_id, slot) where status <> 'REVOKED';

create table deployments (
    deployment_id slug primary key,
    agent_id      slug not null references agents,
    account_id    slug not null references accounts,
    state         text not null default 'ACTIVE' check (state in ('ACTIVE', 'REDUCING', 'HALTED')),
    limits        jsonb not null default '{}' check (jsonb_typeof(limits) = 'object'),
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    unique (agent_id, account_id)
);
create index on deployments (account_id);

-- ─── posts/ ─────────────────────────────────────────────────────────────────────────────────────────────────────────

create table feed_checkpoints (
    query         text primary key,
    since_id      bigint not null check (since_id > 0),
    moved_at      timestamptz not null
);

create table posts (
    post_id       bigint primary key check (post_id > 0),       -- the first id of its edit history
    edit_id       bigint not null,                              -- the id of the version that was read
    author_id     bigint not null references authors,
    text          text not null,
    kind          text not null check (kind in ('original', 'reply', 'quote', 'repost')),
    is_paid_partnership boolean not null default false,
    created_at    timestamptz not null,
    received_at   timestamptz not null,
    source        text not null check (source in ('poll', 'push')),
    raw           jsonb not null,
    status        text not null default 'HEARD' check (status in ('HEARD', 'CLASSIFIED', 'NOT_A_CALL', 'UNCLASSIFIED', 'DELETED')),
    reason        text,
    classifier    text,
    classified_at timestamptz,
    trace_id      text not null,
    claim_token   uuid,
    claimed_until timestamptz,
    attempts      integer not null default 0,
    last_error    text,
    next_ring_at  timestamptz,
    quarantined_at timestamptz
);
create index on posts (next_ring_at) where next_ring_at is not null and quarantined_at is null;
create index on posts (author_id, created_at desc);

-- ─── calls/ ─────────────────────────────────────────────────────────────────────────────────────────────────────────

create table calls (
    call_id       bigint generated always as identity primary key,
    post_id       bigint not null references posts,
    author_id     bigint not null references authors,
    token         text not null check (token ~ '^[A-Za-z0-9]{1,20}$'),
    token_as_written text not null,
    side          side not null,
    action        text not null check (action in ('OPEN', 'CLOSE')),
    conviction    fraction not null,
    entry_low     positive,
    entry_high    positive,
    stop          positive,
    targets       numeric[] not null default '{}' check (0 < all (targets)),
    leverage      positive,
    evidence      text not null check (evidence <> ''),
    classifier    text not null,
    heard_at      timestamptz not null,
    status        text not null default 'HEARD' check (status in ('HEARD', 'DECIDED')),
    trace_id      text not null,
    claim_token   uuid,
    claimed_until timestamptz,
    attempts      integer not null default 0,
    last_error    text,
    next_ring_at  timestamptz,
    quarantined_at timestamptz,
    unique (post_id, token, action),
    check (entry_low is null or entry_high is null or entry_low <= entry_high)
);
create index on calls (next_ring_at) where next_ring_at is not null and quarantined_at is null;
create index on calls (author_id, heard_at desc);
create index on calls (token, heard_at desc);

-- ─── signals/ ───────────────────────────────────────────────────────────────────────────────────────────────────────

create table signals (
    signal_id     bigint generated always as identity primary key,
    agent_id      slug not null references agents,
    call_id       bigint not null references calls,
    post_ids      bigint[] not null check (cardinality(post_ids) > 0),
    token         text not null,
    venue         text,
    market        text,
    side          side not null,
    action        text not null check (action in ('OPEN', 'CLOSE')),
    status        text not null check (status in ('TAKEN', 'SKIPPED')),
    reason        text,
    detail        text,
    score         numeric check (score between -1 and 1),
    breakdown     jsonb not null,
    stop_price    positive,
    not_after     timestamptz,
    decided_at    timestamptz not null,
    trace_id      text not null,
    unique (agent_id, call_id),
    check ((status = 'SKIPPED') = (reason is not null))
);
create index on signals (decided_at desc);

-- ─── venues: what trades where, and at which price ──────────────────────────────────────────────────────────────────

create table markets (
    venue         text not null,
    network       text not null,
    market        text not null,
    asset         integer not null check (asset >= 0),
    size_decimals smallint not null check (size_decimals between 0 and 18),
    max_leverage  integer not null check (max_leverage > 0),
    only_isolated boolean not null default false,
    is_delisted   boolean not null default false,
    read_at       timestamptz not null,
    primary key (venue, network, market)
);

create table marks (
    venue         text not null,
    network       text not null,
    market        text not null,
    mark          positive not null,
    read_at       timestamptz not null,
    still_beats   integer not null default 0,                   -- for how many beats of the monitor it has stood still
    beat_at       timestamptz not null,                         -- when the last of these was counted
    primary key (venue, network, market)
);

-- ─── positions/ ─────────────────────────────────────────────────────────────────────────────────────────────────────

create table positions (
    position_id     uuid primary key default gen_random_uuid(),
    deployment_id   slug references deployments,
    account_id      slug not null references accounts,
    venue           text not null,
    network         text not null,
    position_key    text not null,
    market          text not null,
    side            side not null,
    origin          text not null check (origin in ('SIGNAL', 'PERSON', 'DISCOVERED')),
    status          text not null check (status in ('OPENING', 'OPEN', 'CLOSING', 'CLOSE_PENDING', 'CLOSED', 'ABANDONED', 'UNMANAGED')),
    is_owned        boolean not null default true,
    leverage        positive,
    size            numeric not null default 0 check (size >= 0),          -- what the fills say we hold now
    acked_size      numeric not null default 0,                            -- acknowledged, not yet listed as fills (signed)
    opened_size     numeric not null default 0 check (opened_size >= 0),
    closed_size     numeric not null default 0 check (closed_size >= 0),
    entry_price     positive,
    exit_price      positive,
    rules           jsonb not null check (jsonb_typeof(rules) = 'object'), -- the exit rules as agreed at entry
    stop_price      positive,
    liquidation_price positive,
    peak            positive,
    trail_price     positive,
    targets_hit     smallint not null default 0 check (targets_hit >= 0),
    crossed_since   timestamptz,
    protect_by      timestamptz,
    protected_at    timestamptz,
    realised_pnl_usd usd,
    fees_usd        usd not null default 0,
    funding_usd     usd not null default 0,
    pnl_is_final    boolean not null default false,
    exit_reason     text,
    opened_at       timestamptz,
    closed_at       timestamptz,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    version         integer not null default 0,
    trace_id        text not null,
    check (is_owned = (deployment_id is not null) or origin = 'DISCOVERED')
);
create unique index one_owned_position_per_place on positions (account_id, venue, position_key)
    where is_owned and status not in ('CLOSED', 'ABANDONED');
create index on positions (account_id) where status not in ('CLOSED', 'ABANDONED');
create index on positions (deployment_id, created_at desc);
create index on positions (account_id) where status = 'CLOSED' and is_owned and not pnl_is_final;

-- ─── orders/ ────────────────────────────────────────────────────────────────────────────────────────────────────────

create table orders (
    order_id      uuid primary key default gen_random_uuid(),
    deployment_id slug not null references deployments,
    kind          text not null check (kind in ('enter', 'exit', 'protect', 'cancel')),
    subject       text not null check (subject <> ''),          -- signal, position or a person's idempotency key
    leg           text not null check (leg <> ''),              -- entry, exit, stop, tp1 … tp5, what is cancelled
    sequence      integer not null check (sequence >= 0),
    account_id    slug not null references accounts,
    venue         text not null,
    network       text not null,
    position_key  text not null,
    market        text not null,
    side          side not null,                                -- of the position, not of the trade
    position_id   uuid references positions,
    signal_id     bigint references signals,
    status        text not null check (status in ('PLANNED', 'SKIPPED', 'APPROVED', 'WORKING', 'RESTING', 'CANCELLING', 'UNKNOWN',
                                                  'FILLED', 'PARTIAL_DONE', 'TRIGGERED', 'REJECTED', 'CANCELLED', 'EXPIRED')),
    reason        text,
    detail        text,
    plan          jsonb not null check (jsonb_typeof(plan) = 'object'),
    size          positive,
    limit_price   positive,
    trigger_price positive,
    leverage      positive,
    reduce_only   boolean not null,
    attempt       integer not null default 0 check (attempt >= 0),
    filled_size   numeric not null default 0 check (filled_size >= 0),
    average_price positive,
    not_after     timestamptz,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    finished_at   timestamptz,
    trace_id      text not null,
    claim_token   uuid,
    claimed_until timestamptz,
    attempts      integer not null default 0,
    last_error    text,
    next_ring_at  timestamptz,
    quarantined_at timestamptz,
    unique (deployment_id, kind, subject, leg, sequence),
    check (kind <> 'exit' or not_after is null),                -- an exit is an obligation
    check (kind = 'enter' or reduce_only),
    check (status <> 'SKIPPED' or reason is not null),
    check ((finished_at is not null) = (status in ('SKIPPED', 'FILLED', 'PARTIAL_DONE', 'TRIGGERED', 'REJECTED', 'CANCELLED', 'EXPIRED')))
);
create index on orders (next_ring_at) where next_ring_at is not null and quarantined_at is null;
create index on orders (account_id, venue, position_key) where finished_at is null;
create index on orders (position_id);
create index on orders (signal_id);
create unique index one_open_exit_per_position on orders (position_id) where kind = 'exit' and finished_at is null;

create table actions (
    action_id     uuid primary key default gen_random_uuid(),
    order_id      uuid not null references orders,
    attempt       integer not null check (attempt >= 0),
    kind          text not null check (kind in ('place', 'modify', 'cancel', 'set_leverage', 'noop', 'transaction')),
    status        text not null check (status in ('PREPARED', 'SIGNED', 'SENT', 'ACKED', 'REFUSED', 'UNKNOWN', 'EXPIRED')),
    signer_id     slug references signers,
    signer_address text not null,
    nonce         bigint not null check (nonce > 0),
    expires_at    timestamptz,
    payload       text not null,                                -- the venue's action as JSON text: key order is part of the hash
    cloid         text,
    signed        text,                                         -- the exact bytes that are sent
    answer        jsonb,                                        -- what was understood
    raw_answer    text,                                         -- what was said
    refusal       text,
    venue_order_id text,
    acked_size    numeric check (acked_size >= 0),
    acked_price   positive,
    sends         integer not null default 0,
    prepared_at   timestamptz not null,
    sent_at       timestamptz,
    answered_at   timestamptz,
    unique (order_id, attempt, kind),
    unique (signer_address, nonce),
    check (status = 'PREPARED' or signed is not null or status = 'EXPIRED')
);
create unique index one_action_per_cloid on actions (cloid) where kind in ('place', 'modify');

create table fills (
    fill_key      bigint generated always as identity primary key,
    account_id    slug not null references accounts,
    venue         text not null,
    network       text not null,
    fill_id       text not null,
    order_id      uuid references orders,
    position_id   uuid references positions,
    market        text not null,
    position_key  text not null,
    is_buy        boolean not null,
    price         positive not null,
    size          positive not null,
    fee_usd       usd not null,
    venue_pnl_usd usd not null default 0,
    size_before   numeric,
    cloid         text,
    venue_order_id text,
    is_liquidation boolean not null default false,
    filled_at     timestamptz not null,
    recorded_at   timestamptz not null,
    our_size      positive,                                     -- the part of a foreign fill that is ours; null: all of it
    quarantine    text,
    unique (account_id, venue, fill_id)
);
create index on fills (position_id);
create index on fills (order_id);
create index on fills (account_id, filled_at);

create table funding_payments (
    account_id    slug not null references accounts,
    venue         text not null,
    market        text not null,
    paid_at       timestamptz not null,
    amount_usd    usd not null,
    position_id   uuid references positions,
    recorded_at   timestamptz not null,
    primary key (account_id, venue, market, paid_at)
);

create table cash_transfers (
    account_id    slug not null references accounts,
    transfer_id   text not null,
    amount_usd    usd not null,
    moved_at      timestamptz not null,
    primary key (account_id, transfer_id)
);

create table reservations (
    order_id      uuid primary key references orders,
    account_id    slug not null references accounts,
    deployment_id slug not null references deployments,
    agent_id      slug not null references agents,
    author_id     bigint references authors,
    venue         text not null,
    market        text not null,
    position_id   uuid not null references positions,
    notional_usd  positive not null,
    margin_usd    positive not null,
    risk_usd      positive not null,
    reserved_at   timestamptz not null,
    released_at   timestamptz
);
create index on reservations (account_id) where released_at is null;
create index on reservations (account_id, reserved_at);

-- what an account was last seen to hold and to be worth
create table snapshots (
    account_id    slug primary key references accounts,
    equity_usd    usd not null,
    free_usd      usd not null,
    taken_at      timestamptz not null,
    sizes         jsonb not null                                -- position key to signed size
);

-- ─── controls/ ──────────────────────────────────────────────────────────────────────────────────────────────────────

create table controls (
    control_id    bigint generated always as identity primary key,
    scope         text not null check (scope ~ '^(desk|(account|deployment|agent):[a-z0-9][a-z0-9_-]*)$'),
    mode          text not null check (mode in ('pause', 'flatten', 'halt')),
    reason        text not null check (reason <> ''),
    set_by        text not null,
    set_at        timestamptz not null,
    lifted_at     timestamptz,
    lifted_by     text
);
create unique index one_control_per_scope_and_mode on controls (scope, mode) where lifted_at is null;

create table locks (
    lock_id       bigint generated always as identity primary key,
    scope         text not null check (scope ~ '^(desk|(account|deployment|agent|author|market):[A-Za-z0-9_:-]+)$'),
    protection    text not null,
    reason        text not null,
    locked_at     timestamptz not null,
    locked_until  timestamptz not null check (locked_until > locked_at),
    lifted_at     timestamptz
);
create index on locks (scope, locked_until) where lifted_at is null;

-- ─── notices/ ───────────────────────────────────────────────────────────────────────────────────────────────────────

create table notices (
    notice_id     bigint generated always as identity primary key,
    level         text not null check (level in ('info', 'warning', 'page')),
    topic         text not null,
    subject       text not null,
    text          text not null,
    dedupe_key    text not null unique,
    created_at    timestamptz not null,
    told_at       timestamptz,
    trace_id      text,
    claim_token   uuid,
    claimed_until timestamptz,
    attempts      integer not null default 0,
    last_error    text,
    next_ring_at  timestamptz,
    quarantined_at timestamptz
);
create index on notices (next_ring_at) where next_ring_at is not null and quarantined_at is null;

-- ─── runtime/ ───────────────────────────────────────────────────────────────────────────────────────────────────────

create table heartbeats (
    stage         text primary key,
    beat_at       timestamptz not null,
    detail        jsonb not null default '{}'
);

create table leases (
    name          text primary key,
    holder        uuid not null,
    held_until    timestamptz not null
);

create table venue_weights (
    venue         text not null,
    egress        text not null,
    minute        timestamptz not null,
    weight        integer not null default 0 check (weight >= 0),
    primary key (venue, egress, minute)
);
