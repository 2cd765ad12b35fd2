-- Waits until every lease of a queue that is about to be granted is committed, and keeps the next ones waiting until commit.
-- $1 queue. Locks: its leases to be granted.
SELECT gosynq.halt_leases($1)
