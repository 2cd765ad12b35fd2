-- Puts workers into the list, each with a session that takes the place of any other of the same worker; one that was to
-- drain still is.
-- $1 the workers, a JSON array of objects; $2 the server that has them (empty: they poll). Locks: their rows, in the order
-- of their ids. was_at is where a worker was before, as far as could be seen.
WITH given AS MATERIALIZED (
    SELECT told.*
    FROM jsonb_to_recordset($1::jsonb) AS told (
        worker_id text, session_id text, queues text [], weights integer [], limits integer [], kinds text [],
        make jsonb, max_in_flight integer
    )
),
before AS MATERIALIZED (
    SELECT worker.worker_id, worker.server_id
    FROM gosynq.workers AS worker
    INNER JOIN given ON worker.worker_id = given.worker_id
),
put AS (
    INSERT INTO gosynq.workers AS worker (
        worker_id, server_id, session_id, queues, weights, limits, kinds, make, max_in_flight, connected_at,
        last_seen_at, renewed_at
    )
    SELECT
        worker_id, $2, session_id, queues, weights, limits, kinds, make, max_in_flight, statement_timestamp(),
        statement_timestamp(), statement_timestamp()
    FROM given
    ORDER BY worker_id
    ON CONFLICT (worker_id) DO UPDATE
    SET
        server_id = excluded.server_id, session_id = excluded.session_id, queues = excluded.queues,
        weights = excluded.weights, limits = excluded.limits, kinds = excluded.kinds, make = excluded.make,
        max_in_flight = excluded.max_in_flight, connected_at = excluded.connected_at,
        last_seen_at = excluded.last_seen_at, renewed_at = excluded.renewed_at
    RETURNING worker.worker_id, worker.drain_reason
)
SELECT put.worker_id, put.drain_reason, before.server_id AS was_at
FROM put
LEFT JOIN before ON put.worker_id = before.worker_id
