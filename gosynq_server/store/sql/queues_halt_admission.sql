-- Waits until the jobs of a queue that are being let to the front are there, and keeps the next ones waiting until commit.
-- $1 queue. Locks: the one that gosynq.admit takes.
SELECT pg_advisory_xact_lock(hashtextextended('gosynq.admit.' || $1, 0))
