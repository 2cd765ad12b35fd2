-- Counts the jobs in some pages of a table that was a partition.
-- $1 its name; $2 the first page; $3 how many pages. Locks: none.
SELECT queue, status, jobs
FROM gosynq.count_detached($1, $2, $3)
