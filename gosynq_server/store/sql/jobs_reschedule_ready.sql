-- Puts one ready job off until a later start; one whose start is not later stays, and gives a row as well.
-- $1 queue; $2 id; $3 when to run it, null being now. Locks: the row. A job that is elsewhere gives no row.
WITH job AS (
    SELECT id
    FROM gosynq.ready
    WHERE queue = $1 AND id = $2
    FOR UPDATE
),
gone AS (
    DELETE FROM gosynq.ready AS job
    WHERE job.queue = $1 AND job.id = $2 AND $3::timestamptz > statement_timestamp() AND EXISTS (SELECT FROM job)
    RETURNING job.*
),
waiting AS (
    INSERT INTO gosynq.scheduled (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, schedule_id,
        retry_policy, labels, headers, content_type, payload, concurrency_key, ordering_key,
        fairness_key
    )
    SELECT
        gone.id, gone.queue, gone.kind, gone.priority, gone.created_at, $3::timestamptz, gone.revision + 1,
        gone.lease_seq, gone.failures, gone.deliveries, gone.expires_at, gone.max_retries, gone.max_deliveries,
        gone.lease_duration, gone.attempt_timeout, gone.retention, gone.idempotency_key, gone.schedule_id,
        gone.retry_policy, gone.labels, gone.headers, gone.content_type, gone.payload,
        gone.concurrency_key, gone.ordering_key, gone.fairness_key
    FROM gone
),
noted AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'requeued', $1, 'pending', NULL, array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(failures + deliveries), array_agg(revision + 1), array_agg(labels),
        array_agg(jsonb_build_object('next_run_at', $3::timestamptz))
    FROM gone
    HAVING count(*) > 0
)
SELECT id FROM job
