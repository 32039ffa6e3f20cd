-- What the venue itself said about each signer, and when each account was last asked about: nothing is signed for on trust alone.
-- An ACTIVE signer that was never confirmed, or not at the last look, opens no entries; a row of an older build begins unconfirmed.
alter table signers add column verified_at timestamptz;                -- when the venue last confirmed it; null: never
alter table signers add column verified_by text check (verified_by in ('extraAgents', 'userRole'));
alter table signers add column refused_at timestamptz;                 -- since when the venue does not accept it; null: it does
alter table signers add column venue_says text;                        -- in words, what it said then
alter table signers add check ((verified_at is null) = (verified_by is null));
alter table signers add check ((refused_at is null) = (venue_says is null));

create table account_checks (
    account_id    slug primary key references accounts,
    checked_at    timestamptz not null,
    margin_mode   text not null
);
