-- Looks at debounce keys whose time to be looked at has come: frees those whose job waits for its first lease no more, and puts
-- the others off.
-- $1 how many at most. Locks: the rows.
WITH due AS MATERIALIZED (
    SELECT queue, key, job_id
    FROM gosynq.debounce_keys
    WHERE check_at <= statement_timestamp()
    ORDER BY check_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
),
judged AS MATERIALIZED (
    SELECT
        due.queue, due.key,
        EXISTS (
            SELECT FROM gosynq.scheduled AS job
            WHERE job.id = due.job_id AND job.queue = due.queue AND job.lease_seq = 0
        )
        OR EXISTS (
            SELECT FROM gosynq.ready AS job
            WHERE job.id = due.job_id AND job.queue = due.queue AND job.lease_seq = 0
        ) AS is_waiting
    FROM due
),
freed AS (
    DELETE FROM gosynq.debounce_keys AS held
    USING judged
    WHERE held.queue = judged.queue AND held.key = judged.key AND NOT judged.is_waiting
    RETURNING held.key
),
kept AS (
    UPDATE gosynq.debounce_keys AS held
    SET check_at = statement_timestamp() + interval '10 minutes'
    FROM judged
    WHERE held.queue = judged.queue AND held.key = judged.key AND judged.is_waiting
    RETURNING held.key
)
SELECT (SELECT count(*) FROM freed) AS freed_count, (SELECT count(*) FROM kept) AS kept_count
