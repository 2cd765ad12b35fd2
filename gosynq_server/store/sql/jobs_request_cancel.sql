-- Asks for the cancel of running jobs of one queue; the first reason stays.
-- $1 queue; $2 ids; $3 why. Locks: the rows, in the order of their ids. A job that is elsewhere gives no row; asked is false
-- where it was asked for before.
WITH held AS MATERIALIZED (
    SELECT id, cancel_requested_at IS NULL AS asked
    FROM gosynq.running
    WHERE queue = $1 AND id = ANY($2::uuid [])
    ORDER BY id
    FOR UPDATE
),
requested AS (
    UPDATE gosynq.running AS job
    SET cancel_requested_at = statement_timestamp(), cancel_reason = $3, revision = job.revision + 1
    WHERE job.queue = $1 AND job.id = ANY(ARRAY(SELECT id FROM held WHERE asked)) AND job.cancel_requested_at IS NULL
    RETURNING job.id, job.kind, job.priority, job.failures, job.deliveries, job.revision, job.labels, job.worker_id
),
noted AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'cancel_requested', $1, 'processing', worker_id, array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(failures + deliveries), array_agg(revision), array_agg(labels),
        array_agg(jsonb_build_object('message', $3::text))
    FROM requested
    GROUP BY worker_id
)
SELECT id, asked FROM held
