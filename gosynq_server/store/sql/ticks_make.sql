-- Makes the next tick where there is something to see, and the last one is old enough; returns the last one.
-- $1 the least age of the last one. Locks: none; a rival's tick is waited for.
SELECT id, made_at, is_young
FROM gosynq.make_tick($1)
