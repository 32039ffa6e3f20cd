-- What a venue answered to a read and nobody has catalogued, as it was said: kept for whoever teaches the next build to read it.
create table unknown_answers (
    venue         text not null,
    network       text not null,
    what          text not null,                                -- which read, and what of it was not understood
    raw           text not null,                                -- the latest such body
    times         integer not null default 1 check (times > 0),
    first_at      timestamptz not null,
    last_at       timestamptz not null,
    primary key (venue, network, what)
);
create index on unknown_answers (last_at);
