-- Deletes old ticks, the oldest first; never the last of all.
-- $1 the moment before which they were made; $2 how many at most. Locks: the rows that it deletes.
WITH old AS MATERIALIZED (
    SELECT id
    FROM gosynq.ticks
    WHERE node = 0 AND made_at < $1 AND id < (SELECT max(id) FROM gosynq.ticks WHERE node = 0)
    ORDER BY made_at, id
    LIMIT $2
)
DELETE FROM gosynq.ticks AS tick
USING old
WHERE tick.node = 0 AND tick.id = old.id
RETURNING tick.id
