-- A database serves one network: a stack for mainnet must never meet the accounts, orders and keys of testnet.
alter table database_identity add column network text;                 -- null: never said yet
