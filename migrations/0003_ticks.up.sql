-- The one order of all events: a tick keeps what was committed when it was made. The events of a tick are those that it sees
-- and the tick before does not, in the order of their ids.
--
-- No partitions: the key of the next tick decides between rival tickers.
CREATE TABLE gosynq.ticks (
    node smallint NOT NULL DEFAULT 0,
    id bigint NOT NULL,
    made_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    snapshot pg_snapshot NOT NULL,
    PRIMARY KEY (node, id)
);

CREATE INDEX ticks_made_at ON gosynq.ticks (made_at);
INSERT INTO gosynq.ticks (id, snapshot) VALUES (0, pg_current_snapshot());

-- Makes the next tick where there are events that the last one does not see, and it is min_age old at least; returns the last
-- tick then. is_young: nothing was looked for, since the last tick is too young.
--
-- With a min_age of zero the tick that is returned sees everything that was committed before the call.
-- Its settings as gosynq.lock_ready's: without statistics the planner would read all events.
CREATE FUNCTION gosynq.make_tick(
    min_age interval, OUT id bigint, OUT made_at timestamptz, OUT is_young boolean
)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    before bigint;
BEGIN
    LOOP
        SELECT
            tick.id, tick.made_at,
            min_age > '0' AND tick.made_at BETWEEN statement_timestamp() - min_age AND statement_timestamp()
        INTO make_tick.id, make_tick.made_at, make_tick.is_young
        FROM gosynq.ticks AS tick
        WHERE tick.node = 0
        ORDER BY tick.id DESC
        LIMIT 1;
        -- Where a rival made the tick, it may have looked before our call: look again.
        EXIT WHEN make_tick.is_young OR make_tick.id = before;
        before := make_tick.id;
        -- Not statement_timestamp(): it may be long past where a rival was waited for, and whoever looks for the events from a
        -- moment on relies on it that a tick sees nothing that happened after it was made. It never goes back, so that the
        -- oldest ticks are the first, and pruning leaves no hole.
        INSERT INTO gosynq.ticks AS tick (id, made_at, snapshot)
        SELECT last.id + 1, greatest(last.made_at, clock_timestamp()), pg_current_snapshot()
        FROM gosynq.ticks AS last
        WHERE
            last.node = 0 AND last.id = before
            AND (
                EXISTS (SELECT FROM gosynq.events AS event WHERE event.xid >= pg_snapshot_xmax(last.snapshot))
                OR EXISTS (
                    SELECT FROM gosynq.events AS event
                    WHERE event.xid = ANY(ARRAY(SELECT pg_snapshot_xip(last.snapshot)))
                )
            )
        ON CONFLICT DO NOTHING
        RETURNING tick.id, tick.made_at INTO make_tick.id, make_tick.made_at;
        IF FOUND THEN
            PERFORM pg_notify('gosynq_ticks', '');
            EXIT;
        END IF;
        make_tick.id := NULL;
    END LOOP;
END $$;

-- Reads rows of the ticks behind after_tick, up to until_tick, in their order; of the first of them from the row first_row on.
-- Null lists set no condition. Raises no_data_found where after_tick is gone, and with it maybe events behind it: the lock
-- keeps partitions from being dropped in between, which the pruner does after it has deleted the ticks.
CREATE FUNCTION gosynq.read_events(
    after_tick bigint, until_tick bigint, first_row bigint, row_limit integer,
    queue_names text [], event_types text [], wanted_jobs uuid []
)
RETURNS TABLE (
    tick bigint, id bigint, occurred_at timestamptz, type text, queue text, status text, worker_id text,
    job_ids text [], kinds text [], priorities smallint [], attempts integer [], revisions integer [],
    labels jsonb [], details jsonb []
)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    seen pg_snapshot;
    step record;
    room integer := row_limit;
    given integer;
BEGIN
    LOCK TABLE gosynq.events IN ACCESS SHARE MODE;
    SELECT ticks.snapshot INTO seen FROM gosynq.ticks WHERE ticks.node = 0 AND ticks.id = after_tick;
    IF NOT FOUND THEN
        RAISE no_data_found USING MESSAGE = 'the tick is gone';
    END IF;
    FOR step IN
        SELECT ticks.id, ticks.snapshot
        FROM gosynq.ticks
        WHERE ticks.node = 0 AND ticks.id > after_tick AND ticks.id <= until_tick
        ORDER BY ticks.id
    LOOP
        RETURN QUERY
        SELECT
            step.id, event.id, event.occurred_at, event.type, event.queue, event.status, event.worker_id,
            event.job_ids::text [], event.kinds, event.priorities, event.attempts, event.revisions, event.labels,
            event.details
        FROM (
            SELECT newer.* FROM gosynq.events AS newer
            WHERE newer.xid >= pg_snapshot_xmax(seen) AND newer.xid < pg_snapshot_xmax(step.snapshot)
            UNION ALL
            SELECT late.* FROM gosynq.events AS late
            WHERE late.xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen)))
        ) AS event
        WHERE
            pg_visible_in_snapshot(event.xid, step.snapshot)
            AND event.id >= first_row
            AND (queue_names IS NULL OR event.queue = ANY(queue_names))
            AND (event_types IS NULL OR event.type = ANY(event_types))
            AND (wanted_jobs IS NULL OR event.job_ids && wanted_jobs)
        ORDER BY event.id
        LIMIT room;
        GET DIAGNOSTICS given = ROW_COUNT;
        room := room - given;
        EXIT WHEN room = 0;
        seen := step.snapshot;
        first_row := 0;
    END LOOP;
END $$;
