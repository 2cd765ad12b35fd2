-- Names the tables that were partitions of finished jobs.
-- Locks: none.
SELECT name FROM gosynq.detached_days() AS detached (name)
