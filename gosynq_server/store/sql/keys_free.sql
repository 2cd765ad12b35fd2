-- Frees idempotency keys of one queue where they still name the given jobs.
-- $1 queue; $2 keys; $3 job ids. Locks: the rows, in the order of the keys, in which rivals insert them too.
WITH lapsed AS MATERIALIZED (
    SELECT held.key, held.job_id
    FROM gosynq.idempotency_keys AS held
    INNER JOIN unnest($2::text [], $3::uuid []) AS freed (key, job_id)
        ON held.key = freed.key AND held.job_id = freed.job_id
    WHERE held.queue = $1
    ORDER BY held.key COLLATE "C"
    FOR UPDATE OF held
)
DELETE FROM gosynq.idempotency_keys AS held
USING lapsed
WHERE held.queue = $1 AND held.key = lapsed.key AND held.job_id = lapsed.job_id
