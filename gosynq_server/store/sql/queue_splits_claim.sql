-- Picks a queue whose pending jobs that are not due have to be counted: there are many, and many that are due.
-- $1 the bound above which there are many; $2 the least age of the last count. Locks: the row.
INSERT INTO gosynq.queue_splits AS split (queue, counted_at)
SELECT counted.queue, statement_timestamp()
FROM gosynq.queue_counts AS counted
LEFT JOIN gosynq.queue_splits AS before ON before.queue = counted.queue
WHERE
    counted.pending >= $1::bigint
    AND (before.queue IS NULL OR before.counted_at <= statement_timestamp() - $2::interval)
    AND gosynq.due(counted.queue, $1) IS NULL AND gosynq.not_due(counted.queue, $1) >= $1
ORDER BY before.counted_at NULLS FIRST
LIMIT 1
ON CONFLICT (queue) DO UPDATE
SET counted_at = excluded.counted_at
WHERE split.counted_at <= statement_timestamp() - $2::interval
RETURNING split.queue
