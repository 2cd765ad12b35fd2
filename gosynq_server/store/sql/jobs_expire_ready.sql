-- Cancels ready jobs that were not started by their expires_at.
-- $1 how many at most; $2 the server's retention; $3 the idempotency window, for which every job stays. Locks: the rows
-- that it moves.
WITH expired AS MATERIALIZED (
    SELECT ctid
    FROM gosynq.ready
    WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
),
gone AS (
    DELETE FROM gosynq.ready AS job
    WHERE job.ctid = ANY(ARRAY(SELECT ctid FROM expired))
    RETURNING job.*
),
cancelled AS (
    INSERT INTO gosynq.finished (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, schedule_id,
        retry_policy, labels, headers, content_type, payload, concurrency_key, ordering_key,
        fairness_key, status, finished_at, prune_on, cancel_reason
    )
    SELECT
        gone.id, gone.queue, gone.kind, gone.priority, gone.created_at, gone.run_at, gone.revision + 1, gone.lease_seq,
        gone.failures, gone.deliveries, gone.expires_at, gone.max_retries, gone.max_deliveries, gone.lease_duration,
        gone.attempt_timeout, gone.retention, gone.idempotency_key, gone.schedule_id, gone.retry_policy, gone.labels,
        gone.headers, gone.content_type, gone.payload,
        gone.concurrency_key, gone.ordering_key, gone.fairness_key,
        'cancelled', statement_timestamp(),
        ((statement_timestamp() + greatest(coalesce(gone.retention, setting.retention, $2::interval), $3::interval))
        AT TIME ZONE 'UTC')::date + 1, 'expired'
    FROM gone
    LEFT JOIN gosynq.queues AS setting ON setting.name = gone.queue
),
noted AS (
    INSERT INTO gosynq.events (
        type, queue, status, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'cancelled', queue, 'cancelled', array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(failures + deliveries), array_agg(revision + 1), array_agg(labels),
        array_agg(jsonb_build_object('message', 'expired'))
    FROM gone
    GROUP BY queue
)
SELECT id FROM gone
