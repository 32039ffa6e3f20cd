-- How much the place held when funding was paid, whoever's it was: the payment is split between ours and what others hold beside it.
alter table funding_payments add column held_size numeric;      -- signed; null: not known, then all of the payment is taken for ours
