-- Names the queues that have ready jobs and hand them out.
-- $1 the queues to look at (null: all). Locks: none. One look into an index for each queue.
SELECT queue.name
FROM gosynq.queues AS queue
WHERE
    queue.state <> 'paused' AND ($1::text [] IS NULL OR queue.name = ANY($1::text []))
    AND EXISTS (SELECT FROM gosynq.ready AS job WHERE job.queue = queue.name)
