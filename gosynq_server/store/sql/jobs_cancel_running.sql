-- Cancels one running job without waiting for its worker, whose lease is void.
-- $1 queue; $2 id; $3 how long it is kept; $4 why. Locks: the row that it moves. A job that is elsewhere gives no row.
WITH gone AS (
    DELETE FROM gosynq.running AS job
    WHERE job.queue = $1 AND job.id = $2
    RETURNING job.*
),
cancelled AS (
    INSERT INTO gosynq.finished (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, schedule_id,
        retry_policy, labels, headers, content_type, payload, concurrency_key, ordering_key,
        fairness_key, status, worker_id, started_at, finished_at, prune_on,
        cancel_requested_at, cancel_reason, progress
    )
    SELECT
        gone.id, gone.queue, gone.kind, gone.priority, gone.created_at, gone.run_at, gone.revision + 1, gone.lease_seq,
        gone.failures, gone.deliveries, gone.expires_at, gone.max_retries, gone.max_deliveries, gone.lease_duration,
        gone.attempt_timeout, gone.retention, gone.idempotency_key, gone.schedule_id, gone.retry_policy, gone.labels,
        gone.headers, gone.content_type, gone.payload,
        gone.concurrency_key, gone.ordering_key, gone.fairness_key,
        'cancelled', worker_id, leased_at, statement_timestamp(),
        ((statement_timestamp() + $3::interval) AT TIME ZONE 'UTC')::date + 1,
        coalesce(cancel_requested_at, statement_timestamp()), coalesce(cancel_reason, $4::text), progress
    FROM gone
),
attempted AS (
    INSERT INTO gosynq.attempts (
        job_id, queue, lease_seq, attempt, worker_id, started_at, finished_at, outcome
    )
    SELECT id, queue, lease_seq, failures + deliveries, worker_id, leased_at, statement_timestamp(), 'cancelled'
    FROM gone
),
noted AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'cancelled', $1, 'cancelled', min(worker_id), array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(failures + deliveries), array_agg(revision + 1), array_agg(labels),
        array_agg(jsonb_build_object('message', $4::text))
    FROM gone
    HAVING count(*) > 0
)
SELECT id, lease_seq FROM gone
