-- Gives out room for new jobs in a queue that has a max_pending.
-- $1 queue; $2 for how many. Locks: the queue's row in queue_rooms, until commit.
SELECT gosynq.take_room($1, $2::bigint) AS granted
