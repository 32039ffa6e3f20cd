-- A no-op is signed with the nonce of the request that it is to kill: it shares that nonce, and nothing else may.
alter table actions drop constraint actions_signer_address_nonce_key;
create unique index one_request_per_nonce on actions (signer_address, nonce) where kind <> 'noop';
create unique index one_noop_per_nonce on actions (signer_address, nonce) where kind = 'noop';
