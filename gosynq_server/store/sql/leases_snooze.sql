-- Puts running jobs of one queue off at their workers' wish, uncounted; those with a cancel asked for are left.
-- $1 queue; of the leases: $2 job ids, $3 lease sequences; $4 the moment beyond which no lease may reach: infinity for a
-- worker's own word, the present for a lease that ran out, so that a heartbeat in between keeps it.
-- $5 delays. Locks: the rows that it moves, in the order of their ids, as all do that lock several leases.
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
        $2::uuid [], $3::integer [], $5::interval []
    ) AS lease (id, lease_seq, delay)
    WHERE
        job.queue = $1 AND job.id = held.id AND job.id = lease.id AND job.lease_seq = lease.lease_seq
        AND job.lease_expires_at <= $4
        AND job.cancel_requested_at IS NULL
    RETURNING
        job.*, lease.delay
),
waiting AS (
    INSERT INTO gosynq.scheduled (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, schedule_id,
        retry_policy, labels, headers, content_type, payload, concurrency_key, ordering_key,
        fairness_key
    )
    SELECT
        ended.id, ended.queue, ended.kind, ended.priority, ended.created_at, statement_timestamp() + delay,
        ended.revision + 1,
        ended.lease_seq, ended.failures, ended.deliveries - 1, ended.expires_at, ended.max_retries,
        ended.max_deliveries, ended.lease_duration, ended.attempt_timeout, ended.retention, ended.idempotency_key,
        ended.schedule_id, ended.retry_policy, ended.labels, ended.headers, ended.content_type, ended.payload,
        ended.concurrency_key, ended.ordering_key, ended.fairness_key
    FROM ended
),
requeued AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'requeued', $1, 'pending', worker_id, array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(failures + deliveries - 1), array_agg(revision + 1), array_agg(labels),
        array_agg(jsonb_build_object('next_run_at', statement_timestamp() + delay))
    FROM ended
    GROUP BY worker_id
)
SELECT id FROM ended
