-- The paper venue keeps its own books, apart from the ledger, as a real venue would.

create table paper_books (
    address       text primary key,
    cash_usd      numeric not null,
    opened_at     timestamptz not null
);

create table paper_positions (
    address       text not null references paper_books,
    market        text not null,
    signed_size   numeric not null check (signed_size <> 0),
    entry_price   positive not null,
    leverage      positive not null,
    primary key (address, market)
);

create table paper_leverages (
    address       text not null references paper_books,
    market        text not null,
    leverage      positive not null,
    primary key (address, market)
);

create table paper_orders (
    paper_order_id bigint generated always as identity primary key,
    address       text not null references paper_books,
    market        text not null,
    cloid         text,                                         -- null: the venue's own order, a liquidation
    is_buy        boolean not null,
    size          positive not null,
    limit_price   positive not null,
    trigger_price positive,
    trigger_kind  text check (trigger_kind in ('sl', 'tp')),
    reduce_only   boolean not null,
    status        text not null check (status in ('open', 'filled', 'canceled', 'rejected', 'reduceOnlyCanceled')),
    placed_at     timestamptz not null,
    changed_at    timestamptz not null,
    check ((trigger_price is null) = (trigger_kind is null)),
    check (status <> 'open' or (trigger_price is not null and reduce_only))
);
create index on paper_orders (address, market) where status = 'open';
create index on paper_orders (address, cloid);

create table paper_fills (
    paper_fill_id bigint generated always as identity primary key,
    address       text not null references paper_books,
    paper_order_id bigint not null references paper_orders,
    market        text not null,
    cloid         text,
    is_buy        boolean not null,
    price         positive not null,
    size          positive not null,
    fee_usd       numeric not null,
    closed_pnl_usd numeric not null,
    size_before   numeric not null,
    is_liquidation boolean not null,
    filled_at     timestamptz not null
);
create index on paper_fills (address, filled_at);

create table paper_nonces (
    address       text not null references paper_books,
    nonce         bigint not null,
    answer        text not null,
    primary key (address, nonce)
);
