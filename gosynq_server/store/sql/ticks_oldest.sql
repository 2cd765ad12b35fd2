-- Reads the oldest tick.
-- Locks: none.
SELECT id, made_at
FROM gosynq.ticks
WHERE node = 0
ORDER BY id
LIMIT 1
