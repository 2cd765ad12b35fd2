-- Reads running jobs whose progress was reported lately, in the order of the reports.
-- $1 how long ago at most; $2 how many at most. Locks: none.
SELECT
    id, queue, kind, priority, failures + deliveries AS attempt, worker_id, labels, revision, progress,
    (progress ->> 'updated_at')::timestamptz AS updated_at
FROM gosynq.running
WHERE progress IS NOT NULL AND (progress ->> 'updated_at')::timestamptz > statement_timestamp() - $1::interval
ORDER BY updated_at DESC, id
LIMIT $2
