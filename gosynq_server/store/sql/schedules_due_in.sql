-- Says how long it is until a schedule is due; negative where one is, null where there is none.
-- Locks: none. One look into an index.
SELECT look_at - statement_timestamp()
FROM gosynq.schedules
WHERE look_at IS NOT NULL
ORDER BY look_at, queue, id
LIMIT 1
