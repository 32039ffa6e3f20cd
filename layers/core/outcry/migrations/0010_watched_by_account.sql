-- When the open orders and the funding of each account were last asked for, by whichever process: each costs request weight.
alter table snapshots add column orders_read_at timestamptz;           -- null: never
alter table snapshots add column funding_read_at timestamptz;          -- null: never
