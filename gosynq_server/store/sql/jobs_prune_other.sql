-- Deletes finished jobs whose day has no partition of its own, some at a time, and takes them off the counts.
-- $1 the first day that is kept; $2 how many at most. Locks: the rows that it deletes,
-- the counts of their queues.
WITH pruned AS MATERIALIZED (
    SELECT ctid
    FROM gosynq.finished_other
    WHERE prune_on < $1
    LIMIT $2
    FOR UPDATE SKIP LOCKED
),
gone AS (
    DELETE FROM gosynq.finished_other AS job
    WHERE job.ctid = ANY(ARRAY(SELECT ctid FROM pruned))
    RETURNING job.id, job.queue, job.status
),
counts AS (
    INSERT INTO gosynq.queue_counts AS counted (queue, completed, failed, cancelled)
    SELECT
        queue, -count(*) FILTER (WHERE status = 'completed'), -count(*) FILTER (WHERE status = 'failed'),
        -count(*) FILTER (WHERE status = 'cancelled')
    FROM gone
    GROUP BY queue
    ORDER BY queue
    ON CONFLICT (queue) DO UPDATE
    SET
        completed = counted.completed + excluded.completed, failed = counted.failed + excluded.failed,
        cancelled = counted.cancelled + excluded.cancelled
)
SELECT id FROM gone
