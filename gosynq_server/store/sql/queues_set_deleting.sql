-- Marks a queue as being deleted. It is paused as well, so that it hands out no jobs.
-- $1 name. Locks: its row.
UPDATE gosynq.queues
SET
    state = 'paused', state_reason = 'it is being deleted', is_deleting = true, version = version + 1,
    updated_at = statement_timestamp(), state_changed_at = statement_timestamp()
WHERE name = $1 AND NOT is_deleting
