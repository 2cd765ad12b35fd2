-- Forgets workers whose rows were not renewed for a while.
-- $1 how long. Locks: the rows; one that is being renewed stays.
WITH lapsed AS MATERIALIZED (
    SELECT worker_id
    FROM gosynq.workers
    WHERE renewed_at < statement_timestamp() - $1::interval
    FOR UPDATE SKIP LOCKED
)
DELETE FROM gosynq.workers AS worker
USING lapsed
WHERE worker.worker_id = lapsed.worker_id
