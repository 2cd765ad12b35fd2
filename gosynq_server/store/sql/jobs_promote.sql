-- Makes scheduled jobs of one queue ready whose start has come, the earliest first; those with a concurrency or ordering key
-- wait from now on for a place of it.
-- $1 queue; $2 how many at most. Locks: the rows that it moves.
WITH due AS MATERIALIZED (
    SELECT gosynq.lock_due($1, $2::bigint) AS place
),
held AS (
    UPDATE gosynq.scheduled AS job
    SET rank = statement_timestamp() - (job.priority - 1) * gosynq.ageing($1)
    WHERE
        job.queue = $1 AND job.ctid = ANY(ARRAY(SELECT place FROM due))
        AND (job.concurrency_key IS NOT NULL OR job.ordering_key IS NOT NULL)
    RETURNING job.id
),
promoted AS (
    DELETE FROM gosynq.scheduled AS job
    WHERE
        job.queue = $1 AND job.ctid = ANY(ARRAY(SELECT place FROM due))
        AND job.concurrency_key IS NULL AND job.ordering_key IS NULL
    RETURNING job.*
),
ready AS (
    INSERT INTO gosynq.ready (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, schedule_id,
        retry_policy, labels, headers, content_type, payload, fairness_key, rank, ready_at
    )
    SELECT
        promoted.id, promoted.queue, promoted.kind, promoted.priority, promoted.created_at, promoted.run_at,
        promoted.revision, promoted.lease_seq, promoted.failures, promoted.deliveries, promoted.expires_at,
        promoted.max_retries, promoted.max_deliveries, promoted.lease_duration, promoted.attempt_timeout,
        promoted.retention, promoted.idempotency_key, promoted.schedule_id, promoted.retry_policy, promoted.labels,
        promoted.headers, promoted.content_type, promoted.payload, promoted.fairness_key,
        statement_timestamp() - (promoted.priority - 1) * ageing.step, statement_timestamp()
    FROM promoted
    CROSS JOIN gosynq.ageing($1) AS ageing (step)
    RETURNING id
)
SELECT (SELECT count(*) FROM ready) AS ready_count, (SELECT count(*) FROM held) AS held_count
