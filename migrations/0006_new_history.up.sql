-- A dump that is restored into another cluster brings ticks and events along whose transactions are none of that cluster's:
-- where it is behind, no event would be told until it has caught up. The first tick there begins a new order.
-- Says whether there is no tick to go on from: none at all, or a last one from a cluster that was ahead of this one, which came
-- here in a dump and whose transactions are others here.
CREATE FUNCTION gosynq.lacks_history() RETURNS boolean
LANGUAGE sql
AS $$
    SELECT NOT EXISTS (
        SELECT
        FROM (SELECT snapshot FROM gosynq.ticks WHERE node = 0 ORDER BY id DESC LIMIT 1) AS last
        WHERE pg_snapshot_xmax(last.snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
    );
$$;

-- Begins a new order of events; those of the old one go, since no tick of here tells them from what is to come.
CREATE FUNCTION gosynq.begin_history() RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    LOCK TABLE gosynq.ticks IN ACCESS EXCLUSIVE MODE;
    IF gosynq.lacks_history() THEN
        TRUNCATE gosynq.events, gosynq.ticks;
        INSERT INTO gosynq.ticks (id, made_at, snapshot) VALUES (0, clock_timestamp(), pg_current_snapshot());
    END IF;
END $$;

-- Makes the next tick where there are events that the last one does not see, and it is min_age old at least; returns the last
-- tick then. is_young: nothing was looked for, since the last tick is too young.
--
-- With a min_age of zero the tick that is returned sees everything that was committed before the call.
-- Its settings as gosynq.lock_ready's: without statistics the planner would read all events.
CREATE OR REPLACE FUNCTION gosynq.make_tick(
    min_age interval, OUT id bigint, OUT made_at timestamptz, OUT is_young boolean
)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    before bigint;
BEGIN
    IF gosynq.lacks_history() THEN
        PERFORM gosynq.begin_history();
    END IF;
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
