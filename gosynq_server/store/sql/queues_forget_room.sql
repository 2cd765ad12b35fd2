-- Forgets how many jobs may still be added to a queue, so that they are counted anew.
-- $1 queue. Locks: the row.
DELETE FROM gosynq.queue_rooms
WHERE queue = $1
