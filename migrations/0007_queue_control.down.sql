-- Takes the limits, the order and the keys away again. Jobs that wait for a place of their key are due at once.
DROP FUNCTION gosynq.hold_again(text);
DROP FUNCTION gosynq.take_room(text, bigint);
DROP FUNCTION gosynq.admit(text, text [], text [], bigint);
DROP FUNCTION gosynq.held_keys(text, text, text, bigint);
DROP FUNCTION gosynq.lock_ready(text, text [], bigint, bigint);
DROP FUNCTION gosynq.lease_room(gosynq.queues, timestamptz);
DROP FUNCTION gosynq.lock_ready_in_turn(text, text [], bigint, jsonb, text, integer);
DROP FUNCTION gosynq.next_lanes(text, text [], boolean, text, bigint);
DROP FUNCTION gosynq.is_mostly_unwanted(text, text []);
DROP FUNCTION gosynq.lock_ready_of_lane(text, text [], boolean, text, bigint);
DROP FUNCTION gosynq.lock_ready_by_kind(text, text [], text, bigint);
DROP FUNCTION gosynq.lock_ready_in_order(text, text [], text, bigint);
DROP FUNCTION gosynq.halt_leases(text);
DROP FUNCTION gosynq.ageing(text);
DROP TABLE gosynq.debounce_keys;
DROP TABLE gosynq.queue_rooms;
DROP TABLE gosynq.queue_turns;
DROP VIEW gosynq.jobs;

ALTER TABLE gosynq.finished DROP COLUMN concurrency_key, DROP COLUMN ordering_key, DROP COLUMN fairness_key;
ALTER TABLE gosynq.running DROP COLUMN concurrency_key, DROP COLUMN ordering_key, DROP COLUMN fairness_key;
ALTER TABLE gosynq.ready
DROP COLUMN concurrency_key, DROP COLUMN ordering_key, DROP COLUMN fairness_key, DROP COLUMN rank;
ALTER TABLE gosynq.scheduled
DROP COLUMN concurrency_key, DROP COLUMN ordering_key, DROP COLUMN fairness_key, DROP COLUMN rank;
ALTER TABLE gosynq.queues
DROP COLUMN max_concurrency, DROP COLUMN max_concurrency_per_key, DROP COLUMN max_leases_per_second, DROP COLUMN lease_burst,
DROP COLUMN max_pending, DROP COLUMN priority_ageing, DROP COLUMN strict_priorities, DROP COLUMN fairness_weights,
DROP COLUMN version;

CREATE INDEX scheduled_due ON gosynq.scheduled (queue, run_at, id);
CREATE INDEX ready_order ON gosynq.ready (queue, priority DESC, ready_at, id);
CREATE INDEX ready_kind ON gosynq.ready (queue, kind, priority DESC, ready_at, id);

CREATE VIEW gosynq.jobs AS
SELECT
    id, queue, kind, 'pending' AS status, 'scheduled' AS stage, priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    NULL::text AS worker_id, NULL::timestamptz AS started_at, NULL::timestamptz AS finished_at,
    NULL::timestamptz AS lease_expires_at, NULL::timestamptz AS cancel_requested_at, NULL::text AS cancel_reason,
    NULL::jsonb AS progress, NULL::text AS result_content_type, NULL::bytea AS result, updated_at
FROM gosynq.scheduled
UNION ALL
SELECT
    id, queue, kind, 'pending', 'ready', priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ready_at
FROM gosynq.ready
UNION ALL
SELECT
    id, queue, kind, 'processing', 'running', priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    worker_id, leased_at, NULL, lease_expires_at, cancel_requested_at, cancel_reason, progress, NULL, NULL,
    greatest(leased_at, cancel_requested_at, (progress ->> 'updated_at')::timestamptz)
FROM gosynq.running
UNION ALL
SELECT
    id, queue, kind, status, 'finished', priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    worker_id, started_at, finished_at, NULL, cancel_requested_at, cancel_reason, progress, result_content_type, result,
    finished_at
FROM gosynq.finished;

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
CREATE FUNCTION gosynq.lock_ready(queue_name text, wanted_kinds text [], wanted bigint) RETURNS SETOF tid
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

CREATE OR REPLACE FUNCTION gosynq.lock_due(queue_name text, wanted bigint) RETURNS SETOF tid
LANGUAGE plpgsql
SET enable_sort = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN QUERY
    SELECT job.ctid
    FROM gosynq.scheduled AS job
    WHERE job.queue = queue_name AND job.run_at <= statement_timestamp()
    ORDER BY job.run_at, job.id
    LIMIT wanted
    FOR UPDATE OF job SKIP LOCKED;
END $$;
