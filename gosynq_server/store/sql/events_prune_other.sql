-- Deletes events whose day has no partition of its own.
-- $1 the first day that is kept. Locks: the rows that it deletes.
DELETE FROM gosynq.events_other
WHERE day < $1
