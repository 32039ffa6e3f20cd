-- What is measured each minute is found without reading whole tables: what was set aside, and what was closed today.

create index on posts (quarantined_at) where quarantined_at is not null;
create index on calls (quarantined_at) where quarantined_at is not null;
create index on orders (quarantined_at) where quarantined_at is not null;
create index on notices (quarantined_at) where quarantined_at is not null;
create index on positions (closed_at) where closed_at is not null;
