-- Says what is in some queues, as of one moment.
-- $1 their names; $2 up to how many of the pending jobs are counted that are due, and of those that are not; $3 among how
-- many of the next jobs the oldest is looked for. Locks: none.
WITH total AS MATERIALIZED (
    SELECT * FROM gosynq.queue_totals($1::text [])
)
SELECT
    asked.name, coalesce(total.pending, 0) AS pending, coalesce(total.processing, 0) AS processing,
    coalesce(total.completed, 0) AS completed, coalesce(total.failed, 0) AS failed,
    coalesce(total.cancelled, 0) AS cancelled, side.not_due, CASE WHEN side.not_due >= $2 THEN gosynq.due(asked.name, $2) END AS due,
    split.not_due AS not_due_before, statement_timestamp() - front.oldest AS oldest_age,
    rate.enqueued / rate.seconds AS enqueued_rate, rate.completed / rate.seconds AS completed_rate,
    rate.failed / rate.seconds AS failed_rate,
    (
        SELECT count(*)
        FROM gosynq.workers AS worker
        WHERE
            (asked.name = ANY(worker.queues) OR worker.queues = '{}')
            AND worker.renewed_at >= statement_timestamp() - interval '1 minute'
    ) AS worker_count
FROM unnest($1::text []) AS asked (name)
INNER JOIN gosynq.queue_counting AS counting ON counting.node = 0
LEFT JOIN total ON total.queue = asked.name
LEFT JOIN gosynq.queue_splits AS split ON split.queue = asked.name
CROSS JOIN LATERAL (SELECT gosynq.not_due(asked.name, $2) AS not_due OFFSET 0) AS side
CROSS JOIN LATERAL (
    SELECT min(next.ready_at) AS oldest
    FROM (
        SELECT job.ready_at
        FROM gosynq.ready AS job
        WHERE job.queue = asked.name
        ORDER BY job.fairness_key, job.rank
        LIMIT $3
    ) AS next
) AS front
-- Whole pieces of five seconds, and so a minute and a bit.
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(piece.enqueued), 0) AS enqueued, coalesce(sum(piece.completed), 0) AS completed,
        coalesce(sum(piece.failed), 0) AS failed,
        60 + extract(EPOCH FROM statement_timestamp() - date_bin('5 seconds', statement_timestamp(), 'epoch')) AS seconds
    FROM gosynq.queue_rates AS piece
    WHERE
        piece.queue = asked.name
        AND piece.since >= date_bin('5 seconds', statement_timestamp(), 'epoch') - interval '60 seconds'
) AS rate
