-- Asks for the cancel of one running job; the first reason stays.
-- $1 queue; $2 id; $3 why. Locks: the row. A job that is elsewhere gives no row; asked is false where it was asked for
-- before.
WITH job AS (
    SELECT id, cancel_requested_at IS NULL AS asked
    FROM gosynq.running
    WHERE queue = $1 AND id = $2
    FOR UPDATE
),
requested AS (
    UPDATE gosynq.running
    SET cancel_requested_at = statement_timestamp(), cancel_reason = $3, revision = revision + 1
    WHERE queue = $1 AND id = $2 AND cancel_requested_at IS NULL AND EXISTS (SELECT FROM job)
    RETURNING id, kind, priority, failures, deliveries, revision, labels, worker_id
),
noted AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'cancel_requested', $1, 'processing', min(worker_id), array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(failures + deliveries), array_agg(revision), array_agg(labels),
        array_agg(jsonb_build_object('message', $3::text))
    FROM requested
    HAVING count(*) > 0
)
SELECT id, asked FROM job
