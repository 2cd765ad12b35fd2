-- Reads what idempotency keys of one queue name, and whether they are held still.
-- $1 queue; $2 keys; $3 the window for which a key is held beyond its job's end. Locks: none. A statement of its own, after the one that could not insert them: only a new snapshot
-- shows what a rival has just committed.
SELECT
    named.key, named.fingerprint, named.job_id,
    EXISTS (
        SELECT FROM gosynq.jobs AS job
        WHERE
            job.id = named.job_id AND job.queue = $1
            AND (job.finished_at IS NULL OR job.finished_at + $3::interval > statement_timestamp())
    ) AS is_held
FROM gosynq.idempotency_keys AS named
WHERE named.queue = $1 AND named.key = ANY($2::text [])
