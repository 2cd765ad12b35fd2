-- Counts all jobs where there are no counts.
-- Locks: the counts. Takes as long as the tables are large.
SELECT gosynq.recount(only_missing => true)
