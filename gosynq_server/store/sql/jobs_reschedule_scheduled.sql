-- Gives one scheduled job another start; one that waits for a place of its key goes on waiting unless it is put off.
-- $1 queue; $2 id; $3 when to run it, null being now. Locks: the row. A job that is elsewhere gives no row.
WITH moved AS (
    UPDATE gosynq.scheduled
    SET run_at = coalesce($3::timestamptz, statement_timestamp()), revision = revision + 1,
        rank = CASE WHEN coalesce($3::timestamptz, statement_timestamp()) <= statement_timestamp() THEN rank END,
        updated_at = statement_timestamp()
    WHERE queue = $1 AND id = $2
    RETURNING id, kind, priority, failures, deliveries, revision, run_at, labels
),
noted AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'requeued', $1, 'pending', NULL, array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(failures + deliveries), array_agg(revision), array_agg(labels),
        array_agg(jsonb_build_object('next_run_at', run_at))
    FROM moved
    HAVING count(*) > 0
)
SELECT id FROM moved
