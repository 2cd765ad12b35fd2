-- Deletes finished jobs whose day has no partition of its own, some at a time.
-- $1 the first day that is kept; $2 how many at most. Locks: the rows that it deletes.
WITH pruned AS MATERIALIZED (
    SELECT ctid
    FROM gosynq.finished_other
    WHERE prune_on < $1
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
DELETE FROM gosynq.finished_other AS job
WHERE job.ctid = ANY(ARRAY(SELECT ctid FROM pruned))
RETURNING job.id
