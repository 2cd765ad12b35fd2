-- Frees idempotency keys of one queue where they still name the given jobs.
-- $1 queue; $2 keys; $3 job ids. Locks: the rows.
DELETE FROM gosynq.idempotency_keys AS held
USING unnest($2::text [], $3::uuid []) AS freed (key, job_id)
WHERE held.queue = $1 AND held.key = freed.key AND held.job_id = freed.job_id
