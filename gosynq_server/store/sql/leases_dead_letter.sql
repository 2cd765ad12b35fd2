-- Ends attempts of one queue badly and their jobs with them; those with a cancel asked for are left.
-- $1 queue; of the leases: $2 job ids, $3 lease sequences; $4 the moment beyond which no lease may reach: infinity for a
-- worker's own word, the present for a lease that ran out, so that a heartbeat in between keeps it.
-- $5 retentions, $6 failures and $7 deliveries from now on, $8 outcomes, $9 errors, $10 stack traces.
-- Locks: the rows that it moves, in the order of their ids, as all do that lock several leases.
WITH held AS MATERIALIZED (
    SELECT job.id
    FROM gosynq.running AS job
    INNER JOIN unnest($2::uuid [], $3::integer []) AS lease (id, lease_seq)
        ON job.id = lease.id AND job.lease_seq = lease.lease_seq
    WHERE job.queue = $1
    ORDER BY job.id
    FOR UPDATE OF job
),
ended AS (
    DELETE FROM gosynq.running AS job
    USING held, unnest(
        $2::uuid [], $3::integer [], $5::interval [], $6::integer [], $7::integer [], $8::text [], $9::jsonb [],
        $10::text []
    ) AS lease (id, lease_seq, kept_for, failures_now, deliveries_now, outcome, error, stack_trace)
    WHERE
        job.queue = $1 AND job.id = held.id AND job.id = lease.id AND job.lease_seq = lease.lease_seq
        AND job.lease_expires_at <= $4
        AND job.cancel_requested_at IS NULL
    RETURNING
        job.*, lease.kept_for, lease.failures_now, lease.deliveries_now, lease.outcome, lease.error, lease.stack_trace
),
dead AS (
    INSERT INTO gosynq.finished (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, schedule_id,
        retry_policy, labels, headers, content_type, payload, concurrency_key, ordering_key,
        fairness_key, status, worker_id, started_at, finished_at, prune_on,
        cancel_requested_at, cancel_reason, progress
    )
    SELECT
        ended.id, ended.queue, ended.kind, ended.priority, ended.created_at, ended.run_at, ended.revision + 2,
        ended.lease_seq, failures_now, deliveries_now, ended.expires_at, ended.max_retries, ended.max_deliveries,
        ended.lease_duration, ended.attempt_timeout, ended.retention, ended.idempotency_key, ended.schedule_id,
        ended.retry_policy, ended.labels, ended.headers, ended.content_type, ended.payload,
        ended.concurrency_key, ended.ordering_key, ended.fairness_key,
        'failed', worker_id, leased_at, statement_timestamp(),
        ((statement_timestamp() + kept_for) AT TIME ZONE 'UTC')::date + 1, cancel_requested_at, cancel_reason, progress
    FROM ended
),
attempted AS (
    INSERT INTO gosynq.attempts (
        job_id, queue, lease_seq, attempt, worker_id, started_at, finished_at, outcome, error, stack_trace
    )
    SELECT
        id, queue, lease_seq, failures + deliveries, worker_id, leased_at, statement_timestamp(), outcome, error,
        stack_trace
    FROM ended
),
-- One insert for both kinds of events: of two, the later one would get the smaller ids, and events are told by their ids.
told AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        step.type, $1, 'failed', worker_id, array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(failures + deliveries), array_agg(revision + step.place), array_agg(labels), array_agg(error)
    FROM ended
    CROSS JOIN (VALUES ('failed', 1), ('dead_lettered', 2)) AS step (type, place)
    GROUP BY step.type, step.place, worker_id
    ORDER BY step.place
)
SELECT id FROM ended
