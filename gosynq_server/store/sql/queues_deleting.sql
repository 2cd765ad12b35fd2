-- Names the queues that are being deleted.
-- Locks: none.
SELECT name
FROM gosynq.queues
WHERE is_deleting
