-- Reads attempts of one job, newest first: the stored ones, and the present or successful one, which the job tells.
-- $1 id; $2 the lease sequence that the page begins after (null: from the start); $3 how many at most. Locks: none.
SELECT lease_seq, attempt, worker_id, started_at, finished_at, outcome, error, stack_trace
FROM gosynq.attempts
WHERE job_id = $1 AND ($2::integer IS NULL OR lease_seq < $2)
UNION ALL
SELECT
    lease_seq, failures + deliveries, worker_id, started_at, finished_at,
    CASE status WHEN 'processing' THEN 'running' ELSE 'succeeded' END, NULL, ''
FROM gosynq.jobs
WHERE id = $1 AND status IN ('processing', 'completed') AND ($2::integer IS NULL OR lease_seq < $2)
ORDER BY lease_seq DESC
LIMIT $3
