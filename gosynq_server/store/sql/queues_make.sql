-- Makes a queue with the server's defaults where there is none of that name.
-- $1 name. Locks: the name's index entry until commit.
INSERT INTO gosynq.queues (name)
VALUES ($1)
ON CONFLICT (name) DO NOTHING
