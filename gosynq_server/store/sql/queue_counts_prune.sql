-- Deletes the counts of queues that are gone.
-- Locks: the rows that it deletes.
WITH gone AS MATERIALIZED (
    SELECT counted.queue
    FROM gosynq.queue_counts AS counted
    WHERE
        counted.pending = 0 AND counted.processing = 0 AND counted.completed = 0 AND counted.failed = 0
        AND counted.cancelled = 0
        AND NOT EXISTS (SELECT FROM gosynq.queues AS queue WHERE queue.name = counted.queue)
    ORDER BY counted.queue
    FOR UPDATE OF counted
),
splits AS (
    DELETE FROM gosynq.queue_splits AS split
    USING gone
    WHERE split.queue = gone.queue
)
DELETE FROM gosynq.queue_counts AS counted
USING gone
WHERE counted.queue = gone.queue
