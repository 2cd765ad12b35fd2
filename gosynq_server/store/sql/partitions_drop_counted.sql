-- Drops a table that was a partition and takes its jobs off the counts.
-- $1 its name; of its jobs: $2 queues, $3 statuses, $4 how many. Locks: the table, the counts of the queues.
SELECT gosynq.drop_detached($1, $2, $3, $4)
