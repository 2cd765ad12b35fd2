-- How many jobs of each status there are, by queue, without ever counting a table: the events are summed up.
ALTER TABLE gosynq.queues ADD COLUMN is_deleting boolean NOT NULL DEFAULT false;

-- Where the jobs of a row were before, as far as its type and its worker do not tell: see gosynq.event_deltas. Whoever writes
-- events says it, or the counts are wrong for good.
ALTER TABLE gosynq.events
ADD COLUMN status_before text,
ADD COLUMN queue_before text;

-- The jobs that are stored, as of the snapshot in queue_counting. A number may be below 0 for a moment, where the end of what
-- began was counted first.
CREATE TABLE gosynq.queue_counts (
    queue text PRIMARY KEY,
    pending bigint NOT NULL DEFAULT 0,
    processing bigint NOT NULL DEFAULT 0,
    completed bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    cancelled bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Up to where events are counted: those that the snapshot sees are. No row: the jobs are to be counted.
CREATE TABLE gosynq.queue_counting (
    node smallint PRIMARY KEY DEFAULT 0,
    snapshot pg_snapshot NOT NULL,
    counted_at timestamptz NOT NULL DEFAULT statement_timestamp()
);

-- What happened in each five seconds of the last minutes.
CREATE TABLE gosynq.queue_rates (
    queue text NOT NULL,
    since timestamptz NOT NULL,
    enqueued bigint NOT NULL,
    completed bigint NOT NULL,
    failed bigint NOT NULL,
    PRIMARY KEY (queue, since)
) WITH (fillfactor = 50);

CREATE INDEX queue_rates_since ON gosynq.queue_rates (since);

-- How many pending jobs of a queue were not due yet when they were counted last, where it takes long to count them.
CREATE TABLE gosynq.queue_splits (
    queue text PRIMARY KEY,
    not_due bigint,
    counted_at timestamptz NOT NULL DEFAULT statement_timestamp()
);

-- Sums up what the events that a snapshot does not see, and the caller's does, have changed: jobs by queue and status, and what
-- happened in each five seconds. Null: nothing.
--
-- An event leaves a status and enters another one. What it leaves is status_before, or else what its type means; a cancelled or
-- requeued job has a worker where it was being processed, and was pending where it has none.
-- STABLE, so that it reads by the caller's own snapshot: with that one kept, no event is missed and none counted twice.
-- Its settings: without statistics the planner would read all events. The smallest array tells how many jobs there are.
CREATE FUNCTION gosynq.event_deltas(seen pg_snapshot)
RETURNS TABLE (
    queue text, since timestamptz, pending bigint, processing bigint, completed bigint, failed bigint, cancelled bigint,
    enqueued_there bigint, completed_there bigint, failed_there bigint
)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN QUERY
    SELECT
        move.queue, date_bin('5 seconds', event.occurred_at, 'epoch'),
        coalesce(sum(move.jobs) FILTER (WHERE move.status = 'pending'), 0)::bigint,
        coalesce(sum(move.jobs) FILTER (WHERE move.status = 'processing'), 0)::bigint,
        coalesce(sum(move.jobs) FILTER (WHERE move.status = 'completed'), 0)::bigint,
        coalesce(sum(move.jobs) FILTER (WHERE move.status = 'failed'), 0)::bigint,
        coalesce(sum(move.jobs) FILTER (WHERE move.status = 'cancelled'), 0)::bigint,
        coalesce(sum(move.jobs) FILTER (WHERE move.jobs > 0 AND event.type = 'created'), 0)::bigint,
        coalesce(sum(move.jobs) FILTER (WHERE move.jobs > 0 AND event.type = 'succeeded'), 0)::bigint,
        coalesce(sum(move.jobs) FILTER (WHERE move.jobs > 0 AND event.type = 'failed' AND move.status = 'failed'), 0)::bigint
    FROM (
        SELECT
            newer.xid, newer.occurred_at, newer.type, newer.queue, newer.status, newer.worker_id, newer.status_before,
            newer.queue_before, cardinality(newer.priorities)::bigint AS jobs
        FROM gosynq.events AS newer
        WHERE newer.xid >= pg_snapshot_xmax(seen)
        UNION ALL
        SELECT
            late.xid, late.occurred_at, late.type, late.queue, late.status, late.worker_id, late.status_before,
            late.queue_before, cardinality(late.priorities)::bigint
        FROM gosynq.events AS late
        WHERE late.xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen)))
    ) AS event
    CROSS JOIN LATERAL (
        VALUES
        (
            coalesce(event.queue_before, event.queue),
            coalesce(event.status_before, CASE
                WHEN event.type = 'created' THEN NULL
                WHEN event.type = 'started' THEN 'pending'
                WHEN event.type IN ('succeeded', 'failed') THEN 'processing'
                WHEN event.type IN ('cancelled', 'requeued') AND event.worker_id IS NOT NULL THEN 'processing'
                WHEN event.type IN ('cancelled', 'requeued') THEN 'pending'
                ELSE event.status
            END),
            -event.jobs
        ),
        (event.queue, CASE WHEN event.type <> 'deleted' THEN event.status END, event.jobs)
    ) AS move (queue, status, jobs)
    WHERE pg_visible_in_snapshot(event.xid, pg_current_snapshot())
    GROUP BY 1, 2;
END $$;

-- Says how many jobs of each status there are in some queues, or in all (null), as of the caller's snapshot.
CREATE FUNCTION gosynq.queue_totals(queue_names text [])
RETURNS TABLE (
    queue text, pending bigint, processing bigint, completed bigint, failed bigint, cancelled bigint
)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT
        part.queue, sum(part.pending)::bigint, sum(part.processing)::bigint, sum(part.completed)::bigint,
        sum(part.failed)::bigint, sum(part.cancelled)::bigint
    FROM (
        SELECT counted.queue, counted.pending, counted.processing, counted.completed, counted.failed, counted.cancelled
        FROM gosynq.queue_counts AS counted
        UNION ALL
        SELECT delta.queue, delta.pending, delta.processing, delta.completed, delta.failed, delta.cancelled
        FROM gosynq.event_deltas((SELECT counting.snapshot FROM gosynq.queue_counting AS counting)) AS delta
    ) AS part
    WHERE queue_names IS NULL OR part.queue = ANY(queue_names)
    GROUP BY part.queue;
END $$;

-- Counts the events that are not counted yet, where the last time is min_age ago at least; says whether there are counts at
-- all. The row in queue_counting is held meanwhile: of rivals one counts, and the others leave it at that.
--
-- A queue that has jobs and is not there, since they came as it was deleted, is made anew.
CREATE FUNCTION gosynq.count_events(min_age interval) RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    seen pg_snapshot;
BEGIN
    -- From a cluster that was ahead of this one: it came here in a dump.
    DELETE FROM gosynq.queue_counting
    WHERE pg_snapshot_xmax(queue_counting.snapshot) > pg_snapshot_xmax(pg_current_snapshot());
    IF NOT EXISTS (SELECT FROM gosynq.queue_counting) THEN
        RETURN false;
    END IF;
    SELECT counting.snapshot INTO seen
    FROM gosynq.queue_counting AS counting
    WHERE counting.node = 0 AND counting.counted_at <= statement_timestamp() - min_age
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND OR NOT (
        EXISTS (SELECT FROM gosynq.events AS event WHERE event.xid >= pg_snapshot_xmax(seen))
        OR EXISTS (SELECT FROM gosynq.events AS event WHERE event.xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen))))
    ) THEN
        RETURN true;
    END IF;
    WITH delta AS MATERIALIZED (
        SELECT * FROM gosynq.event_deltas(seen)
    ),
    counts AS (
        INSERT INTO gosynq.queue_counts AS counted (queue, pending, processing, completed, failed, cancelled)
        SELECT
            delta.queue, sum(delta.pending), sum(delta.processing), sum(delta.completed), sum(delta.failed),
            sum(delta.cancelled)
        FROM delta
        GROUP BY delta.queue
        ORDER BY delta.queue
        ON CONFLICT (queue) DO UPDATE
        SET
            pending = counted.pending + excluded.pending, processing = counted.processing + excluded.processing,
            completed = counted.completed + excluded.completed, failed = counted.failed + excluded.failed,
            cancelled = counted.cancelled + excluded.cancelled
        RETURNING counted.queue, counted.pending + counted.processing + counted.completed + counted.failed
            + counted.cancelled AS jobs
    ),
    rates AS (
        INSERT INTO gosynq.queue_rates AS rate (queue, since, enqueued, completed, failed)
        SELECT delta.queue, delta.since, delta.enqueued_there, delta.completed_there, delta.failed_there
        FROM delta
        WHERE
            delta.since > statement_timestamp() - interval '2 minutes'
            AND delta.enqueued_there + delta.completed_there + delta.failed_there > 0
        ORDER BY delta.queue, delta.since
        ON CONFLICT (queue, since) DO UPDATE
        SET
            enqueued = rate.enqueued + excluded.enqueued, completed = rate.completed + excluded.completed,
            failed = rate.failed + excluded.failed
    ),
    old AS (
        DELETE FROM gosynq.queue_rates AS rate WHERE rate.since < statement_timestamp() - interval '3 minutes'
    ),
    made AS (
        INSERT INTO gosynq.queues (name)
        SELECT counts.queue
        FROM counts
        WHERE counts.jobs > 0 AND NOT EXISTS (SELECT FROM gosynq.queues WHERE queues.name = counts.queue)
        ON CONFLICT DO NOTHING
    )
    UPDATE gosynq.queue_counting AS counting
    SET snapshot = pg_current_snapshot(), counted_at = statement_timestamp()
    WHERE counting.node = 0;
    RETURN true;
END $$;

-- Names the days of finished jobs that are detached, and wait to be counted.
CREATE FUNCTION gosynq.detached_days() RETURNS SETOF text
LANGUAGE sql
AS $$
    SELECT child.relname::text
    FROM pg_class AS child
    WHERE
        child.relnamespace = 'gosynq'::regnamespace AND child.relname ~ '^finished_[0-9]{8}$' AND child.relkind = 'r'
        AND NOT EXISTS (SELECT FROM pg_inherits AS link WHERE link.inhrelid = child.oid);
$$;

-- Counts all jobs anew. Nobody who changes jobs waits for it: the one statement that counts keeps the snapshot by which it did,
-- and the events that this one does not see are added to its numbers. Only what prunes finished jobs waits; days that are
-- detached already go at once, or they would be taken off later. only_missing: does nothing where there are counts.
CREATE FUNCTION gosynq.recount(only_missing boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    child text;
BEGIN
    LOCK TABLE gosynq.queue_counting, gosynq.queue_counts IN EXCLUSIVE MODE;
    IF only_missing AND EXISTS (SELECT FROM gosynq.queue_counting) THEN
        RETURN;
    END IF;
    FOR child IN SELECT detached.name FROM gosynq.detached_days() AS detached (name) LOOP
        EXECUTE format('DROP TABLE gosynq.%I', child);
    END LOOP;
    DELETE FROM gosynq.queue_counting;
    DELETE FROM gosynq.queue_counts;
    WITH counts AS (
        INSERT INTO gosynq.queue_counts (queue, pending, processing, completed, failed, cancelled)
        SELECT
            job.queue, count(*) FILTER (WHERE job.status = 'pending'), count(*) FILTER (WHERE job.status = 'processing'),
            count(*) FILTER (WHERE job.status = 'completed'), count(*) FILTER (WHERE job.status = 'failed'),
            count(*) FILTER (WHERE job.status = 'cancelled')
        FROM gosynq.jobs AS job
        GROUP BY job.queue
    )
    INSERT INTO gosynq.queue_counting (snapshot) SELECT pg_current_snapshot();
END $$;

-- Begins a new order of events; those of the old one go, since no tick of here tells them from what is to come. So the jobs have
-- to be counted anew.
CREATE OR REPLACE FUNCTION gosynq.begin_history() RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    LOCK TABLE gosynq.ticks IN ACCESS EXCLUSIVE MODE;
    IF gosynq.lacks_history() THEN
        TRUNCATE gosynq.events, gosynq.ticks;
        DELETE FROM gosynq.queue_counting;
        INSERT INTO gosynq.ticks (id, made_at, snapshot) VALUES (0, clock_timestamp(), pg_current_snapshot());
    END IF;
END $$;

-- Takes the partition of one day out of the finished jobs; it stays as a table until it is counted. Does nothing where there is
-- none.
CREATE FUNCTION gosynq.detach_finished(day date) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    child text := format('finished_%s', to_char(day, 'YYYYMMDD'));
BEGIN
    -- Not while jobs are counted anew.
    LOCK TABLE gosynq.queue_counts IN ROW EXCLUSIVE MODE;
    LOCK TABLE ONLY gosynq.finished IN ACCESS EXCLUSIVE MODE;
    IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(format('gosynq.%I', child))) THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER TABLE gosynq.finished DETACH PARTITION gosynq.%I', child);
    RETURN true;
END $$;

-- Counts the jobs in some pages of a detached day.
CREATE FUNCTION gosynq.count_detached(child text, first_page bigint, page_count bigint)
RETURNS TABLE (queue text, status text, jobs bigint)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT job.queue, job.status, count(*) FROM gosynq.%I AS job WHERE job.ctid >= $1 AND job.ctid < $2 GROUP BY 1, 2',
        child
    ) USING format('(%s,0)', first_page)::tid, format('(%s,0)', first_page + page_count)::tid;
EXCEPTION
    -- A rival has counted it.
    WHEN undefined_table THEN
        RETURN;
END $$;

-- Drops a detached day and takes its jobs, which were counted, off the counts. Does nothing where a rival has done it.
CREATE FUNCTION gosynq.drop_detached(child text, names text [], statuses text [], jobs bigint []) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE gosynq.queue_counts IN ROW EXCLUSIVE MODE;
    PERFORM pg_advisory_xact_lock(hashtextextended('gosynq.drop.' || child, 0));
    IF to_regclass(format('gosynq.%I', child)) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE gosynq.%I', child);
    INSERT INTO gosynq.queue_counts AS counted (queue, completed, failed, cancelled)
    SELECT
        dropped.queue, -coalesce(sum(dropped.jobs) FILTER (WHERE dropped.status = 'completed'), 0),
        -coalesce(sum(dropped.jobs) FILTER (WHERE dropped.status = 'failed'), 0),
        -coalesce(sum(dropped.jobs) FILTER (WHERE dropped.status = 'cancelled'), 0)
    FROM unnest(names, statuses, drop_detached.jobs) AS dropped (queue, status, jobs)
    GROUP BY dropped.queue
    ORDER BY dropped.queue
    ON CONFLICT (queue) DO UPDATE
    SET
        completed = counted.completed + excluded.completed, failed = counted.failed + excluded.failed,
        cancelled = counted.cancelled + excluded.cancelled;
    RETURN true;
END $$;

-- Counts the pending jobs of a queue that are not due, up to a bound.
CREATE FUNCTION gosynq.not_due(queue_name text, bound bigint) RETURNS bigint
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (
        SELECT count(*)
        FROM (
            SELECT FROM gosynq.scheduled AS job
            WHERE job.queue = queue_name AND job.rank IS NULL AND job.run_at > statement_timestamp()
            LIMIT bound
        ) AS seen
    );
END $$;

-- Counts the pending jobs of a queue that are due, those that wait for a place of their key among them; null where that takes
-- looking at more than a bound in one of their places.
CREATE FUNCTION gosynq.due(queue_name text, bound bigint) RETURNS bigint
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    in_front bigint;
    behind bigint;
    by_concurrency bigint;
    by_ordering bigint;
    ordered bigint;
BEGIN
    SELECT count(*) INTO in_front
    FROM (SELECT FROM gosynq.ready AS job WHERE job.queue = queue_name LIMIT bound) AS seen;
    SELECT count(*) INTO behind
    FROM (
        SELECT FROM gosynq.scheduled AS job
        WHERE job.queue = queue_name AND job.rank IS NULL AND job.run_at <= statement_timestamp()
        LIMIT bound
    ) AS seen;
    SELECT count(*) INTO by_concurrency
    FROM (
        SELECT FROM gosynq.scheduled AS job
        WHERE job.queue = queue_name AND job.rank IS NOT NULL AND job.concurrency_key IS NOT NULL
        LIMIT bound
    ) AS seen;
    SELECT count(*), count(seen.rank) INTO ordered, by_ordering
    FROM (
        SELECT job.rank FROM gosynq.scheduled AS job
        WHERE job.queue = queue_name AND job.ordering_key IS NOT NULL
        LIMIT bound
    ) AS seen;
    IF greatest(in_front, behind, by_concurrency, ordered) >= bound THEN
        RETURN NULL;
    END IF;
    RETURN in_front + behind + by_concurrency + by_ordering;
END $$;

-- A database without jobs needs no counting; in another one a server counts, while work goes on.
INSERT INTO gosynq.queue_counting (snapshot)
SELECT pg_current_snapshot() WHERE NOT EXISTS (SELECT FROM gosynq.jobs);
