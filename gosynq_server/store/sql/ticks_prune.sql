-- Deletes old ticks, the oldest first; never the last of all, nor the last before a moment, behind which the events are that
-- are kept. That one goes too only where some behind it are not, as after a long stop.
-- $1 the first day whose events are kept; $2 how long after its begin the moment is; $3 how many at most.
-- Locks: the rows that it deletes.
WITH last_old AS MATERIALIZED (
    SELECT id, snapshot
    FROM gosynq.ticks
    WHERE node = 0 AND made_at < $1::date::timestamp AT TIME ZONE 'UTC' + $2::interval
    ORDER BY made_at DESC, id DESC
    LIMIT 1
),
old AS MATERIALIZED (
    SELECT tick.id
    FROM gosynq.ticks AS tick
    CROSS JOIN last_old
    WHERE
        tick.node = 0 AND tick.id <= last_old.id
        AND tick.id < (SELECT max(id) FROM gosynq.ticks WHERE node = 0)
        AND (
            tick.id < last_old.id
            OR EXISTS (
                SELECT FROM gosynq.events AS event
                WHERE
                    event.day < $1::date AND event.xid >= pg_snapshot_xmin(last_old.snapshot)
                    AND NOT pg_visible_in_snapshot(event.xid, last_old.snapshot)
            )
        )
    ORDER BY tick.id
    LIMIT $3
)
DELETE FROM gosynq.ticks AS tick
USING old
WHERE tick.node = 0 AND tick.id = old.id
RETURNING tick.id
