-- Says where one job is.
-- $1 id. Locks: none. One statement has one snapshot, so that a job that moves meanwhile is seen in exactly one stage.
SELECT queue, stage, status, retention, coalesce(worker_id, '') AS worker_id
FROM gosynq.jobs
WHERE id = $1
