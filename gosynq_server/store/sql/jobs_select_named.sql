-- Reads where jobs are that are named, in the order of their ids.
-- $1 ids. Locks: none. One statement has one snapshot, so that a job that moves meanwhile is seen in exactly one stage.
SELECT id, queue, status, stage, cancel_requested_at IS NOT NULL AS cancel_requested
FROM gosynq.jobs
WHERE id = ANY($1::uuid [])
ORDER BY id
