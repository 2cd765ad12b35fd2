-- Makes scheduled jobs of one queue ready whose start has come, the earliest first.
-- $1 queue; $2 how many at most. Locks: the rows that it moves.
WITH promoted AS (
    DELETE FROM gosynq.scheduled AS job
    WHERE job.queue = $1 AND job.ctid = ANY(ARRAY(SELECT gosynq.lock_due($1, $2::bigint)))
    RETURNING job.*
)
INSERT INTO gosynq.ready (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, schedule_id,
        retry_policy, labels, headers, content_type, payload, ready_at
)
SELECT
        promoted.id, promoted.queue, promoted.kind, promoted.priority, promoted.created_at, promoted.run_at,
        promoted.revision, promoted.lease_seq, promoted.failures, promoted.deliveries, promoted.expires_at,
        promoted.max_retries, promoted.max_deliveries, promoted.lease_duration, promoted.attempt_timeout,
        promoted.retention, promoted.idempotency_key, promoted.schedule_id, promoted.retry_policy, promoted.labels,
        promoted.headers, promoted.content_type, promoted.payload,
        statement_timestamp()
FROM promoted
RETURNING id
