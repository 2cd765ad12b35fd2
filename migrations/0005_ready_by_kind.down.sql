-- Brings back the function of 0004, and takes away what 0005 made.
CREATE OR REPLACE FUNCTION gosynq.lock_ready(queue_name text, wanted_kinds text [], wanted bigint) RETURNS SETOF tid
LANGUAGE plpgsql
SET enable_sort = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN QUERY
    SELECT job.ctid
    FROM gosynq.ready AS job
    WHERE
        job.queue = queue_name AND (wanted_kinds IS NULL OR job.kind = ANY(wanted_kinds))
        AND (job.expires_at IS NULL OR job.expires_at > statement_timestamp())
        AND NOT EXISTS (SELECT FROM gosynq.queues WHERE name = queue_name AND state = 'paused')
    ORDER BY job.priority DESC, job.ready_at, job.id
    LIMIT wanted
    FOR UPDATE OF job SKIP LOCKED;
END $$;

DROP FUNCTION gosynq.lock_ready_by_kind(text, text [], bigint);
DROP FUNCTION gosynq.lock_ready_in_order(text, text [], bigint);
DROP INDEX gosynq.ready_kind;
