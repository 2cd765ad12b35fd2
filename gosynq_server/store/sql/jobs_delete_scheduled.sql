-- Deletes one scheduled job with its attempts, its payload and its idempotency key.
-- $1 queue; $2 id. Locks: the rows that it deletes. A job that is elsewhere gives no row.
WITH gone AS (
    DELETE FROM gosynq.scheduled AS job
    WHERE job.queue = $1 AND job.id = $2
    RETURNING job.*
),
payload AS (
    DELETE FROM gosynq.payloads
    WHERE queue = $1 AND job_id = $2 AND EXISTS (SELECT FROM gone WHERE payload IS NULL)
),
history AS (
    DELETE FROM gosynq.attempts
    WHERE queue = $1 AND job_id = $2 AND EXISTS (SELECT FROM gone)
),
freed AS (
    DELETE FROM gosynq.idempotency_keys
    WHERE queue = $1 AND key = (SELECT idempotency_key FROM gone) AND job_id = $2
),
noted AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'deleted', $1, 'pending', NULL, array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(failures + deliveries), array_agg(revision + 1), array_agg(labels), NULL
    FROM gone
    HAVING count(*) > 0
)
SELECT id FROM gone
