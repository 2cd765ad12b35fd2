-- Says whether a queue has jobs that are not finished.
-- $1 queue. Locks: none. A look into an index for each way in which a job can wait.
SELECT
    EXISTS (SELECT FROM gosynq.ready AS job WHERE job.queue = $1)
    OR EXISTS (SELECT FROM gosynq.running AS job WHERE job.queue = $1)
    OR EXISTS (SELECT FROM gosynq.scheduled AS job WHERE job.queue = $1 AND job.rank IS NULL)
    OR EXISTS (
        SELECT FROM gosynq.scheduled AS job
        WHERE job.queue = $1 AND job.rank IS NOT NULL AND job.concurrency_key IS NOT NULL
    )
    OR EXISTS (SELECT FROM gosynq.scheduled AS job WHERE job.queue = $1 AND job.ordering_key IS NOT NULL) AS is_active
