-- Renews the rows of workers as long as their sessions have them.
-- $1 worker ids; $2 their sessions; $3 at most so many leases each; $4 for how long nothing was heard of them. Locks: their
-- rows, in the order of their ids. is_known: there is a row; is_held: it is of this session.
WITH told AS MATERIALIZED (
    SELECT * FROM unnest($1::text [], $2::text [], $3::integer [], $4::interval []) AS told (
        worker_id, session_id, max_in_flight, silence
    )
),
known AS MATERIALIZED (
    SELECT worker.worker_id, worker.session_id, worker.drain_reason
    FROM gosynq.workers AS worker
    WHERE worker.worker_id = ANY($1::text [])
    ORDER BY worker.worker_id
    FOR UPDATE
),
renewed AS (
    UPDATE gosynq.workers AS worker
    SET
        max_in_flight = told.max_in_flight, renewed_at = statement_timestamp(),
        last_seen_at = greatest(worker.last_seen_at, statement_timestamp() - told.silence)
    FROM known
    INNER JOIN told ON known.worker_id = told.worker_id AND known.session_id = told.session_id
    WHERE worker.worker_id = known.worker_id
)
SELECT
    told.worker_id, known.worker_id IS NOT NULL AS is_known, known.session_id IS NOT DISTINCT FROM told.session_id AS is_held,
    known.drain_reason
FROM told
LEFT JOIN known ON told.worker_id = known.worker_id
