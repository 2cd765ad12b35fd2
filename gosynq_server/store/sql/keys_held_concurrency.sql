-- Names the next concurrency keys of a queue for which jobs wait.
-- $1 queue; $2 the key behind which to go on (empty: from the start); $3 how many at most. Locks: none. A look into the index
-- for each key.
SELECT gosynq.held_keys($1, 'concurrency', $2, $3::bigint) AS held
