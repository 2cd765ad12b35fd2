-- Makes failed or cancelled jobs of one queue pending again, their counters at 0; what they came to before stays in their
-- attempts.
-- $1 queue; $2 ids; $3 when to run them, null being now; $4 how much later each; $5 statuses, of which they are to be one.
-- Locks: the rows that it moves, in the order of their ids; the queue's row in queue_rooms, where it has a max_pending. A job
-- elsewhere gives no row.
WITH held AS MATERIALIZED (
    SELECT job.id
    FROM gosynq.finished AS job
    WHERE job.queue = $1 AND job.id = ANY($2::uuid []) AND job.status = ANY($5::text [])
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
        gone.id, gone.queue, gone.kind, gone.priority, gone.created_at, due.run_at, gone.revision + 1,
        gone.lease_seq, 0, 0, NULL, gone.max_retries,
        gone.max_deliveries, gone.lease_duration, gone.attempt_timeout, gone.retention, gone.idempotency_key,
        gone.schedule_id, gone.retry_policy, gone.labels, gone.headers, gone.content_type, gone.payload,
        gone.concurrency_key, gone.ordering_key, gone.fairness_key
    FROM gone
    INNER JOIN due ON gone.id = due.id
),
-- What comes back to wait takes of the room that was given out for new jobs.
roomed AS (
    INSERT INTO gosynq.queue_rooms (queue)
    SELECT name
    FROM gosynq.queues
    WHERE name = $1 AND max_pending IS NOT NULL AND EXISTS (SELECT FROM gone)
    ON CONFLICT (queue) DO UPDATE SET room = greatest(queue_rooms.room - (SELECT count(*) FROM gone), 0)
),
noted AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details,
        status_before
    )
    SELECT
        'requeued', $1, 'pending', NULL, array_agg(gone.id), array_agg(gone.kind), array_agg(gone.priority),
        array_agg(0), array_agg(gone.revision + 1), array_agg(gone.labels),
        array_agg(jsonb_build_object('next_run_at', due.run_at)), gone.status
    FROM gone
    INNER JOIN due ON gone.id = due.id
    GROUP BY gone.status
)
SELECT id FROM gone
