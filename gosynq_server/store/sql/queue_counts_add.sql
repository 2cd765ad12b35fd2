-- Counts the events that are not counted yet; says whether there are counts at all.
-- $1 how long ago the last time must be at least. Locks: the row in queue_counting; a rival's is left alone.
SELECT gosynq.count_events($1) AS is_counted
