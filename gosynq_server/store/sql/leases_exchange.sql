-- Completes jobs of one queue under their leases, and leases the next due ones of it, in one round trip.
-- $1 queue; of the ended leases: $2 job ids, $3 lease sequences, $4 results, $5 their content types, $6 the
-- queue's retention, $12 the idempotency window, for which every job stays; of the next: $7 kinds (null: all), $8 how many
-- at most, $9 the worker, $10 the queue's lease duration, $13 one instead of all (null: none), $11 its attempt time-out,
-- beyond which a lease lasts 15 seconds at most.
-- Locks: the rows that it moves, those of the ended leases in the order in which they are named: their ids', as for all
-- that lock several leases. The next jobs are locked first and in order, and deleted by their place (ctid), which
-- cannot change while they are locked. The array is made once; a joined subquery with LIMIT and SKIP LOCKED could be run
-- again for each outer row and lease far more than it was asked for.
WITH ended AS MATERIALIZED (
    SELECT
        job.*, lease.result, lease.result_content_type,
        greatest(coalesce(job.retention, $6::interval), $12::interval) AS kept_for
    FROM gosynq.end_leases($1, $2::uuid [], $3::integer []) AS job
    INNER JOIN unnest($2::uuid [], $3::integer [], $4::bytea [], $5::text []) AS lease (
        id, lease_seq, result, result_content_type
    ) ON job.id = lease.id AND job.lease_seq = lease.lease_seq
),
completed AS (
    INSERT INTO gosynq.finished (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, schedule_id,
        retry_policy, labels, headers, content_type, payload, concurrency_key, ordering_key,
        fairness_key, status, worker_id, started_at, finished_at, prune_on,
        cancel_requested_at, cancel_reason, progress, result_content_type, result
    )
    SELECT
        ended.id, ended.queue, ended.kind, ended.priority, ended.created_at, ended.run_at, ended.revision + 1,
        ended.lease_seq, ended.failures, ended.deliveries, ended.expires_at, ended.max_retries, ended.max_deliveries,
        ended.lease_duration, ended.attempt_timeout, ended.retention, ended.idempotency_key, ended.schedule_id,
        ended.retry_policy, ended.labels, ended.headers, ended.content_type, ended.payload,
        ended.concurrency_key, ended.ordering_key, ended.fairness_key,
        'completed', worker_id, leased_at, statement_timestamp(),
        ((statement_timestamp() + kept_for) AT TIME ZONE 'UTC')::date + 1, cancel_requested_at, cancel_reason, progress,
        result_content_type, result
    FROM ended
),
succeeded AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'succeeded', $1, 'completed', min(worker_id), array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(failures + deliveries), array_agg(revision + 1), array_agg(labels), NULL
    FROM ended
    HAVING count(*) > 0
),
-- The leases that end here are over before the next are granted: their places under a limit are free.
picked AS MATERIALIZED (
    SELECT next.place, next.turn
    FROM gosynq.lock_ready($1, $7::text [], $8::bigint, (SELECT count(*) FROM ended))
    WITH ORDINALITY AS next (place, turn)
),
taken AS (
    DELETE FROM gosynq.ready AS job
    WHERE job.queue = $1 AND job.ctid = ANY(ARRAY(SELECT place FROM picked))
    RETURNING job.*, job.ctid AS place
),
leased AS (
    INSERT INTO gosynq.running (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, schedule_id,
        retry_policy, labels, headers, content_type, payload, concurrency_key, ordering_key,
        fairness_key, worker_id, leased_at, lease_expires_at, attempt_deadline
    )
    SELECT
        taken.id, taken.queue, taken.kind, taken.priority, taken.created_at, taken.run_at, taken.revision + 1,
        taken.lease_seq + 1, taken.failures, taken.deliveries + 1, taken.expires_at, taken.max_retries,
        taken.max_deliveries, taken.lease_duration, taken.attempt_timeout, taken.retention, taken.idempotency_key,
        taken.schedule_id, taken.retry_policy, taken.labels, taken.headers, taken.content_type, taken.payload,
        taken.concurrency_key, taken.ordering_key, taken.fairness_key,
        $9, statement_timestamp(),
        statement_timestamp() + least(
            coalesce($13::interval, lease_duration, $10::interval),
            coalesce(attempt_timeout, $11::interval) + interval '15 seconds'
        ),
        statement_timestamp() + coalesce(attempt_timeout, $11::interval)
    FROM taken
),
started AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'started', $1, 'processing', $9, array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(failures + deliveries + 1), array_agg(revision + 1), array_agg(labels), NULL
    FROM taken
    HAVING count(*) > 0
)
-- One row says which leases were gone, also when nothing was leased: by their places among $2, null being none.
SELECT
    missed.places AS missed_places, taken.id, taken.kind, taken.priority, taken.lease_seq + 1 AS lease_seq,
    taken.failures + taken.deliveries + 1 AS attempt, taken.content_type, taken.labels, taken.headers,
    taken.max_retries, taken.created_at, taken.run_at, taken.ready_at, statement_timestamp() AS leased_at,
    coalesce($13::interval, taken.lease_duration, $10::interval) AS lease_duration,
    coalesce(taken.attempt_timeout, $11::interval) AS attempt_timeout,
    coalesce(
        taken.payload, (SELECT data FROM gosynq.payloads WHERE queue = $1 AND job_id = taken.id)
    ) AS payload
FROM (
    SELECT array_agg(lease.place) AS places
    FROM unnest($2::uuid [], $3::integer []) WITH ORDINALITY AS lease (id, lease_seq, place)
    WHERE NOT EXISTS (SELECT FROM ended WHERE ended.id = lease.id AND ended.lease_seq = lease.lease_seq)
) AS missed
LEFT JOIN taken ON true
LEFT JOIN picked ON taken.place = picked.place
ORDER BY picked.turn
