-- Samples each queue's ready jobs: how many there are, counted up to a bound, and how long the oldest has waited.
-- $1 the bound. Locks: none. The oldest is looked for in each priority, by the index.
SELECT
    queue.name,
    (
        SELECT count(*)
        FROM (SELECT FROM gosynq.ready AS job WHERE job.queue = queue.name LIMIT $1) AS counted
    ) AS ready_count,
    (
        SELECT statement_timestamp() - min(first.ready_at)
        FROM generate_series(1, 4) AS rank (priority)
        CROSS JOIN LATERAL (
            SELECT job.ready_at
            FROM gosynq.ready AS job
            WHERE job.queue = queue.name AND job.priority = rank.priority
            ORDER BY job.ready_at, job.id
            LIMIT 1
        ) AS first
    ) AS oldest_age
FROM gosynq.queues AS queue
