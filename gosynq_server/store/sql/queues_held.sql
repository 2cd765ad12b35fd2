-- Names the queues in which jobs may wait for a place of their key.
-- Locks: none. Two looks into an index for each queue.
SELECT queue.name
FROM gosynq.queues AS queue
WHERE
    EXISTS (
        SELECT FROM gosynq.scheduled AS job
        WHERE job.queue = queue.name AND job.rank IS NOT NULL AND job.concurrency_key IS NOT NULL
    )
    OR EXISTS (SELECT FROM gosynq.scheduled AS job WHERE job.queue = queue.name AND job.ordering_key IS NOT NULL)
