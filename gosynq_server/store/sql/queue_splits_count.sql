-- Counts the pending jobs of a queue that are not due, through the index.
-- $1 queue. Locks: the row. Takes as long as there are such jobs.
UPDATE gosynq.queue_splits
SET not_due = gosynq.not_due($1, 9223372036854775807), counted_at = statement_timestamp()
WHERE queue = $1
