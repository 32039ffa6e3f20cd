-- Rows that are rewritten in every pass of the monitor find room for their next version in the page that they are in. Then no index
-- is touched and nothing is left for vacuum: a pass that moves 10,000 positions costs the server a quarter. New pages alone obey.
alter table positions set (fillfactor = 50);
alter table snapshots set (fillfactor = 50);
alter table marks set (fillfactor = 50);
