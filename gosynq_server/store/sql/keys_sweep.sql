-- Looks at idempotency keys whose time to be looked at has come: frees those whose job is gone or has been terminal for
-- the window, and puts the others off.
-- $1 the window; $2 how many at most. Locks: the rows.
WITH due AS MATERIALIZED (
    SELECT queue, key, job_id
    FROM gosynq.idempotency_keys
    WHERE check_at <= statement_timestamp()
    ORDER BY check_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
),
judged AS MATERIALIZED (
    SELECT due.queue, due.key, (
        SELECT coalesce(job.finished_at, statement_timestamp()) + $1::interval
        FROM gosynq.jobs AS job
        WHERE job.id = due.job_id AND job.queue = due.queue
    ) AS held_until
    FROM due
),
freed AS (
    DELETE FROM gosynq.idempotency_keys AS held
    USING judged
    WHERE
        held.queue = judged.queue AND held.key = judged.key
        AND (judged.held_until IS NULL OR judged.held_until <= statement_timestamp())
    RETURNING held.key
),
kept AS (
    UPDATE gosynq.idempotency_keys AS held
    SET check_at = judged.held_until
    FROM judged
    WHERE held.queue = judged.queue AND held.key = judged.key AND judged.held_until > statement_timestamp()
    RETURNING held.key
)
SELECT (SELECT count(*) FROM freed) AS freed_count, (SELECT count(*) FROM kept) AS kept_count
