-- Reads the last tick before the first that was made at a moment or later; the oldest where none is before that.
-- $1 the moment. Locks: none.
SELECT id, made_at
FROM gosynq.ticks
WHERE
    node = 0
    AND id >= coalesce(
        (SELECT id FROM gosynq.ticks WHERE node = 0 AND made_at >= $1 ORDER BY made_at, id LIMIT 1) - 1,
        (SELECT max(id) FROM gosynq.ticks WHERE node = 0)
    )
ORDER BY id
LIMIT 1
