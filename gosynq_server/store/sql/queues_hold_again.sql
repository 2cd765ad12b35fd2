-- Sends jobs with a concurrency key back from the front, since the key's limit is new or lower.
-- $1 queue. Locks: the rows that it moves.
SELECT gosynq.hold_again($1)
