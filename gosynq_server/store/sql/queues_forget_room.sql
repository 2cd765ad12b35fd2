-- Forgets how many jobs may still be added to a queue, so that they are counted anew.
-- $1 queue. Locks: the row. One is made where there is none: who adds the first jobs by the old limit has a row that is not
-- seen yet, and has to be waited for.
INSERT INTO gosynq.queue_rooms (queue, room)
VALUES ($1, 0)
ON CONFLICT (queue) DO UPDATE SET room = 0
