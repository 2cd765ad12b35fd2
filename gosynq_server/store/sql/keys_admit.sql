-- Lets jobs to the front whose keys have places.
-- $1 queue; $2 concurrency keys; $3 ordering keys; $4 how many jobs of a key at most. Locks: one lock of the queue, until commit;
-- the rows that it moves.
SELECT gosynq.admit($1, $2::text [], $3::text [], $4::bigint) AS admitted
