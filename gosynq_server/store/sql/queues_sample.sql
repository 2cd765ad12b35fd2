-- Samples each queue's ready jobs, those that are next up to a bound: how many there are, and how long the oldest has waited.
-- $1 the bound. Locks: none.
SELECT queue.name, sample.ready_count, statement_timestamp() - sample.oldest AS oldest_age
FROM gosynq.queues AS queue
CROSS JOIN LATERAL (
    SELECT count(*) AS ready_count, min(next.ready_at) AS oldest
    FROM (
        SELECT job.ready_at
        FROM gosynq.ready AS job
        WHERE job.queue = queue.name
        ORDER BY job.fairness_key, job.rank
        LIMIT $1
    ) AS next
) AS sample
