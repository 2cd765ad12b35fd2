-- Says where those of some jobs are that are not terminal.
-- $1 ids. Locks: none. One statement has one snapshot, as in jobs_locate.
SELECT id, queue, stage, status, retention, coalesce(worker_id, '') AS worker_id
FROM gosynq.jobs
WHERE id = ANY($1::uuid []) AND stage <> 'finished'
