-- Drops the partition of one day.
-- $1 table; $2 day. Locks: the table, for a moment.
SELECT gosynq.drop_partition($1, $2)
