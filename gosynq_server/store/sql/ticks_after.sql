-- Reads a tick, if it is still there, and those that follow it.
-- $1 the tick; $2 how many at most. Locks: none.
SELECT id, made_at
FROM gosynq.ticks
WHERE node = 0 AND id >= $1
ORDER BY id
LIMIT $2
