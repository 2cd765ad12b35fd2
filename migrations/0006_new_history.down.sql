-- Brings back the function of 0003, and takes away what 0006 made.
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

DROP FUNCTION gosynq.begin_history();
DROP FUNCTION gosynq.lacks_history();
