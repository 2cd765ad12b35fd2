-- Reads workers by their ids, with how many leases each has.
-- $1 a queue from which they take (null: any); $2 one worker id (null: any); $3 the id to begin after; $4 how many at most;
-- $5 how long a row counts that is not renewed. Locks: none.
WITH page AS MATERIALIZED (
    SELECT *
    FROM gosynq.workers AS worker
    WHERE
        ($1::text IS NULL OR worker.queues = '{}' OR $1::text = ANY(worker.queues))
        AND ($2::text IS NULL OR worker.worker_id = $2::text)
        AND worker.worker_id > $3::text COLLATE "C"
        AND worker.renewed_at >= statement_timestamp() - $5::interval
    ORDER BY worker.worker_id
    LIMIT $4
)
SELECT
    page.worker_id, page.server_id, page.queues, page.weights, page.limits, page.kinds, page.make, page.max_in_flight,
    page.connected_at, page.last_seen_at, page.drain_reason, statement_timestamp() - page.last_seen_at AS silence,
    coalesce(held.lease_count, 0) AS in_flight
FROM page
LEFT JOIN (
    SELECT worker_id, count(*) AS lease_count
    FROM gosynq.running
    GROUP BY worker_id
) AS held ON page.worker_id = held.worker_id
ORDER BY page.worker_id
