-- Deletes a schedule.
-- $1 id. Locks: the row.
DELETE FROM gosynq.schedules
WHERE id = $1
