-- Makes the partition of one day where there is none.
-- $1 table; $2 partition key; $3 day. Locks: the table, against other changes of its partitions.
SELECT gosynq.make_partition($1, $2, $3)
