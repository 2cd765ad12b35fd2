-- Makes one failed or cancelled job pending again, its counters at 0; what it came to before stays in its attempts.
-- $1 queue; $2 id; $3 when to run it, null being now. Locks: the row that it moves. A job elsewhere gives no row.
WITH gone AS (
    DELETE FROM gosynq.finished AS job
    WHERE job.queue = $1 AND job.id = $2 AND job.status IN ('failed', 'cancelled')
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
        gone.id, gone.queue, gone.kind, gone.priority, gone.created_at, coalesce($3::timestamptz,
        statement_timestamp()), gone.revision + 1,
        gone.lease_seq, 0, 0, NULL, gone.max_retries,
        gone.max_deliveries, gone.lease_duration, gone.attempt_timeout, gone.retention, gone.idempotency_key,
        gone.schedule_id, gone.retry_policy, gone.labels, gone.headers, gone.content_type, gone.payload,
        gone.concurrency_key, gone.ordering_key, gone.fairness_key
    FROM gone
),
noted AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'requeued', $1, 'pending', NULL, array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(0), array_agg(revision + 1), array_agg(labels), array_agg(jsonb_build_object('next_run_at',
        coalesce($3::timestamptz, statement_timestamp())))
    FROM gone
    HAVING count(*) > 0
)
SELECT id FROM gone
