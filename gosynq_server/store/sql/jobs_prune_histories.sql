-- Deletes the attempts and payloads of finished jobs that are about to be pruned, some at a time.
-- $1 the first day that is kept; $2 how many jobs at most. Locks: the rows that it deletes.
WITH pruned AS MATERIALIZED (
    SELECT job.id, job.queue
    FROM gosynq.finished AS job
    WHERE
        job.prune_on < $1
        AND (
            EXISTS (SELECT FROM gosynq.attempts WHERE queue = job.queue AND job_id = job.id)
            OR EXISTS (SELECT FROM gosynq.payloads WHERE queue = job.queue AND job_id = job.id)
        )
    LIMIT $2
),
histories AS (
    DELETE FROM gosynq.attempts AS attempt
    USING pruned
    WHERE attempt.queue = pruned.queue AND attempt.job_id = pruned.id
),
contents AS (
    DELETE FROM gosynq.payloads AS payload
    USING pruned
    WHERE payload.queue = pruned.queue AND payload.job_id = pruned.id
)
SELECT count(*) FROM pruned
