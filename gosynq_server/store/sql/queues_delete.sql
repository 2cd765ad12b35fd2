-- Deletes a queue and what is kept about it; its jobs are gone before.
-- $1 name. Locks: the rows that it deletes.
WITH turn AS (
    DELETE FROM gosynq.queue_turns
    WHERE queue = $1
),
room AS (
    DELETE FROM gosynq.queue_rooms
    WHERE queue = $1
)
DELETE FROM gosynq.queues
WHERE name = $1
RETURNING name
