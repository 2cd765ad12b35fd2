-- Says how many jobs of each status there are in some queues; no row where they are not counted yet, and one without a queue
-- where there are none.
-- $1 the queues (null: all). Locks: none.
SELECT total.queue, total.pending, total.processing, total.completed, total.failed, total.cancelled
FROM gosynq.queue_counting AS counting
LEFT JOIN gosynq.queue_totals($1::text []) AS total ON true
WHERE counting.node = 0
