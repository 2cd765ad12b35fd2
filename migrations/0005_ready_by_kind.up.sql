-- A worker of some kinds is not slowed down by a backlog of others: it finds its own by their kind.
CREATE INDEX ready_kind ON gosynq.ready (queue, kind, priority DESC, ready_at, id);

-- The way through the queue. Settings as ever: the index gives the order.
CREATE FUNCTION gosynq.lock_ready_in_order(queue_name text, wanted_kinds text [], wanted bigint) RETURNS SETOF tid
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
    ORDER BY job.priority DESC, job.ready_at, job.id
    LIMIT wanted
    FOR UPDATE OF job SKIP LOCKED;
END $$;

-- The way kind by kind.
CREATE FUNCTION gosynq.lock_ready_by_kind(queue_name text, wanted_kinds text [], wanted bigint) RETURNS SETOF tid
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    RETURN QUERY
    SELECT picked.place
    FROM unnest(wanted_kinds) AS wanted_kind (kind)
    CROSS JOIN LATERAL (
        SELECT job.ctid AS place, job.priority, job.ready_at, job.id
        FROM gosynq.ready AS job
        WHERE
            job.queue = queue_name AND job.kind = wanted_kind.kind
            AND (job.expires_at IS NULL OR job.expires_at > statement_timestamp())
        ORDER BY job.priority DESC, job.ready_at, job.id
        LIMIT wanted
        FOR UPDATE OF job SKIP LOCKED
    ) AS picked
    ORDER BY picked.priority DESC, picked.ready_at, picked.id
    LIMIT wanted;
END $$;

-- Locks the next ready jobs of a queue, of some kinds or of all (null), in the order in which they are to be leased; returns
-- their places.
--
-- The head of the queue tells which way is short: through the queue, where at least half of what is there is wanted, or kind
-- by kind, which locks up to so many of each and lets go of the rest when the statement ends.
-- A function for its settings, as before.
CREATE OR REPLACE FUNCTION gosynq.lock_ready(queue_name text, wanted_kinds text [], wanted bigint) RETURNS SETOF tid
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    seen bigint := 0;
    fitting bigint := 0;
BEGIN
    IF EXISTS (SELECT FROM gosynq.queues WHERE name = queue_name AND state = 'paused') THEN
        RETURN;
    END IF;
    IF wanted_kinds IS NOT NULL THEN
        SELECT count(*), count(*) FILTER (WHERE head.kind = ANY(wanted_kinds))
        INTO seen, fitting
        FROM (
            SELECT job.kind
            FROM gosynq.ready AS job
            WHERE job.queue = queue_name
            ORDER BY job.priority DESC, job.ready_at, job.id
            LIMIT 64
        ) AS head;
    END IF;
    IF fitting * 2 >= seen THEN
        RETURN QUERY SELECT * FROM gosynq.lock_ready_in_order(queue_name, wanted_kinds, wanted);
    ELSE
        RETURN QUERY SELECT * FROM gosynq.lock_ready_by_kind(queue_name, wanted_kinds, wanted);
    END IF;
END $$;
