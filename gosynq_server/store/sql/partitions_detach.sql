-- Takes the partition of one day out of the finished jobs.
-- $1 day. Locks: the table, for a moment.
SELECT gosynq.detach_finished($1)
