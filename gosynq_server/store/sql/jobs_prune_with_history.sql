-- Deletes finished jobs that may be pruned and have attempts, or a payload that stands apart, together with these, some
-- at a time. Job and content go at once: a job whose retry has just begun keeps both. The others go with their day.
-- $1 the first day that is kept; $2 the id after which it looks; $3 how many at most. Locks: the rows that it deletes,
-- the counts of their queues.
WITH due AS MATERIALIZED (
    SELECT job.id, job.queue, job.prune_on
    FROM gosynq.finished AS job
    WHERE
        job.prune_on < $1 AND job.id > $2
        AND (
            job.payload IS NULL
            OR EXISTS (
                SELECT FROM gosynq.attempts AS attempt WHERE attempt.queue = job.queue AND attempt.job_id = job.id
            )
        )
    ORDER BY job.id
    LIMIT $3
    FOR UPDATE OF job SKIP LOCKED
),
pruned AS (
    DELETE FROM gosynq.finished AS job
    USING due
    WHERE job.queue = due.queue AND job.id = due.id AND job.prune_on = due.prune_on
    RETURNING job.id, job.queue, job.status
),
counts AS (
    INSERT INTO gosynq.queue_counts AS counted (queue, completed, failed, cancelled)
    SELECT
        queue, -count(*) FILTER (WHERE status = 'completed'), -count(*) FILTER (WHERE status = 'failed'),
        -count(*) FILTER (WHERE status = 'cancelled')
    FROM pruned
    GROUP BY queue
    ORDER BY queue
    ON CONFLICT (queue) DO UPDATE
    SET
        completed = counted.completed + excluded.completed, failed = counted.failed + excluded.failed,
        cancelled = counted.cancelled + excluded.cancelled
),
histories AS (
    DELETE FROM gosynq.attempts AS attempt
    USING pruned
    WHERE attempt.queue = pruned.queue AND attempt.job_id = pruned.id
),
contents AS (
    DELETE FROM gosynq.payloads AS payload
    USING pruned
    WHERE payload.queue = pruned.queue AND payload.job_id = pruned.id
)
SELECT id FROM due
ORDER BY id DESC
LIMIT 1
