-- Takes one worker out of the list, if it is there with this session.
-- $1 worker id; $2 session. Locks: the row.
DELETE FROM gosynq.workers
WHERE worker_id = $1 AND session_id = $2
