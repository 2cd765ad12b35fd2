-- Deletes scheduled jobs of one queue with their attempts, payloads and idempotency keys.
-- $1 queue; $2 ids. Locks: the jobs in the order of their ids, the keys in theirs. A job that is elsewhere gives no row.
WITH held AS MATERIALIZED (
    SELECT job.id
    FROM gosynq.scheduled AS job
    WHERE job.queue = $1 AND job.id = ANY($2::uuid [])
    ORDER BY job.id
    FOR UPDATE
),
gone AS (
    DELETE FROM gosynq.scheduled AS job
    WHERE job.queue = $1 AND job.id = ANY(ARRAY(SELECT id FROM held))
    RETURNING job.*
),
payload AS (
    DELETE FROM gosynq.payloads
    WHERE queue = $1 AND job_id = ANY(ARRAY(SELECT id FROM gone WHERE payload IS NULL))
),
history AS (
    DELETE FROM gosynq.attempts
    WHERE queue = $1 AND job_id = ANY(ARRAY(SELECT id FROM gone))
),
named AS MATERIALIZED (
    SELECT key
    FROM gosynq.idempotency_keys
    WHERE
        queue = $1 AND job_id = ANY($2::uuid [])
        AND key = ANY(ARRAY(SELECT idempotency_key FROM gone WHERE idempotency_key IS NOT NULL))
    ORDER BY key COLLATE "C"
    FOR UPDATE
),
freed AS (
    DELETE FROM gosynq.idempotency_keys
    WHERE queue = $1 AND key = ANY(ARRAY(SELECT key FROM named)) AND job_id = ANY($2::uuid [])
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
