-- Says for each queue with scheduled jobs how long it is until the first of them is due; negative where it is.
-- Locks: none. One look into an index for each queue.
SELECT queue.name, first.run_at - statement_timestamp() AS due_in
FROM gosynq.queues AS queue
CROSS JOIN LATERAL (
    SELECT job.run_at
    FROM gosynq.scheduled AS job
    WHERE job.queue = queue.name AND job.rank IS NULL
    ORDER BY job.run_at, job.id
    LIMIT 1
) AS first
