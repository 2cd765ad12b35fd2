-- Notes that one worker is to drain; the first reason stays.
-- $1 worker id; $2 why; $3 how long a row counts that is not renewed. Locks: the row. No such worker gives no row.
UPDATE gosynq.workers
SET drain_reason = coalesce(drain_reason, $2)
WHERE worker_id = $1 AND renewed_at >= statement_timestamp() - $3::interval
RETURNING worker_id
