-- Makes dead letters of one queue pending in another one, their counters at 0; payloads and attempts go along. Their
-- idempotency keys, which belong to the queue that they leave, are freed.
-- $1 queue; $2 ids; $3 when to run them, null being now; $4 how much later each; $5 the other queue. Locks: the rows that it
-- moves, in the order of their ids, the keys in theirs; the other queue's row in queue_rooms, where it has a max_pending. A job
-- that is no dead letter gives no row.
WITH held AS MATERIALIZED (
    SELECT job.id
    FROM gosynq.finished AS job
    WHERE job.queue = $1 AND job.id = ANY($2::uuid []) AND job.status = 'failed'
    ORDER BY job.id
    FOR UPDATE
),
gone AS (
    DELETE FROM gosynq.finished AS job
    WHERE job.queue = $1 AND job.id = ANY(ARRAY(SELECT id FROM held))
    RETURNING job.*
),
due AS MATERIALIZED (
    SELECT told.id, coalesce($3::timestamptz, statement_timestamp()) + told.delay AS run_at
    FROM unnest($2::uuid [], $4::interval []) AS told (id, delay)
),
waiting AS (
    INSERT INTO gosynq.scheduled (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, schedule_id,
        retry_policy, labels, headers, content_type, payload, concurrency_key, ordering_key,
        fairness_key
    )
    SELECT
        gone.id, $5, gone.kind, gone.priority, gone.created_at, due.run_at, gone.revision + 1,
        gone.lease_seq, 0, 0, NULL, gone.max_retries,
        gone.max_deliveries, gone.lease_duration, gone.attempt_timeout, gone.retention, NULL,
        gone.schedule_id, gone.retry_policy, gone.labels, gone.headers, gone.content_type, gone.payload,
        gone.concurrency_key, gone.ordering_key, gone.fairness_key
    FROM gone
    INNER JOIN due ON gone.id = due.id
),
left_payloads AS (
    DELETE FROM gosynq.payloads
    WHERE queue = $1 AND job_id = ANY(ARRAY(SELECT id FROM gone WHERE payload IS NULL))
    RETURNING job_id, data
),
payloads AS (
    INSERT INTO gosynq.payloads (job_id, queue, data)
    SELECT job_id, $5, data
    FROM left_payloads
),
left_attempts AS (
    DELETE FROM gosynq.attempts
    WHERE queue = $1 AND job_id = ANY(ARRAY(SELECT id FROM gone))
    RETURNING job_id, lease_seq, attempt, worker_id, started_at, finished_at, outcome, error, stack_trace
),
attempts AS (
    INSERT INTO gosynq.attempts (
        job_id, queue, lease_seq, attempt, worker_id, started_at, finished_at, outcome, error, stack_trace
    )
    SELECT job_id, $5, lease_seq, attempt, worker_id, started_at, finished_at, outcome, error, stack_trace
    FROM left_attempts
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
-- What comes back to wait takes of the room that was given out for new jobs.
roomed AS (
    INSERT INTO gosynq.queue_rooms (queue)
    SELECT name
    FROM gosynq.queues
    WHERE name = $5 AND max_pending IS NOT NULL AND EXISTS (SELECT FROM gone)
    ON CONFLICT (queue) DO UPDATE SET room = greatest(queue_rooms.room - (SELECT count(*) FROM gone), 0)
),
noted AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details,
        status_before, queue_before
    )
    SELECT
        'requeued', $5, 'pending', NULL, array_agg(gone.id), array_agg(gone.kind), array_agg(gone.priority),
        array_agg(0), array_agg(gone.revision + 1), array_agg(gone.labels),
        array_agg(jsonb_build_object('next_run_at', due.run_at)), 'failed', $1
    FROM gone
    INNER JOIN due ON gone.id = due.id
    HAVING count(*) > 0
)
SELECT id FROM gone
