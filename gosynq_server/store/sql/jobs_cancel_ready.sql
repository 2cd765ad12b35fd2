-- Cancels ready jobs of one queue.
-- $1 queue; $2 ids; $3 the queue's retention; $4 the idempotency window, for which every job stays; $5 why. Locks: the rows
-- that it moves, in the order of their ids. A job that is elsewhere gives no row.
WITH held AS MATERIALIZED (
    SELECT job.id
    FROM gosynq.ready AS job
    WHERE job.queue = $1 AND job.id = ANY($2::uuid [])
    ORDER BY job.id
    FOR UPDATE
),
gone AS (
    DELETE FROM gosynq.ready AS job
    WHERE job.queue = $1 AND job.id = ANY(ARRAY(SELECT id FROM held))
    RETURNING job.*
),
cancelled AS (
    INSERT INTO gosynq.finished (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, schedule_id,
        retry_policy, labels, headers, content_type, payload, concurrency_key, ordering_key,
        fairness_key, status, finished_at, prune_on, cancel_requested_at,
        cancel_reason
    )
    SELECT
        gone.id, gone.queue, gone.kind, gone.priority, gone.created_at, gone.run_at, gone.revision + 1, gone.lease_seq,
        gone.failures, gone.deliveries, gone.expires_at, gone.max_retries, gone.max_deliveries, gone.lease_duration,
        gone.attempt_timeout, gone.retention, gone.idempotency_key, gone.schedule_id, gone.retry_policy, gone.labels,
        gone.headers, gone.content_type, gone.payload,
        gone.concurrency_key, gone.ordering_key, gone.fairness_key,
        'cancelled', statement_timestamp(),
        ((statement_timestamp() + greatest(coalesce(gone.retention, $3::interval), $4::interval))
        AT TIME ZONE 'UTC')::date + 1, statement_timestamp(), $5::text
    FROM gone
),
noted AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'cancelled', $1, 'cancelled', NULL, array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(failures + deliveries), array_agg(revision + 1), array_agg(labels),
        array_agg(jsonb_build_object('message', $5::text))
    FROM gone
    HAVING count(*) > 0
)
SELECT id FROM gone
