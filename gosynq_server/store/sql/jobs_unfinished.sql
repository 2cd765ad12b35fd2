-- Reads the ids of jobs that are not terminal, in their order.
-- $1 queues, $2 kinds, $3 priorities (null: any); $4 the id to begin after; $5 how many at most. Locks: none.
SELECT job.id
FROM gosynq.jobs AS job
WHERE
    job.stage <> 'finished'
    AND ($1::text [] IS NULL OR job.queue = ANY($1::text []))
    AND ($2::text [] IS NULL OR job.kind = ANY($2::text []))
    AND ($3::smallint [] IS NULL OR job.priority = ANY($3::smallint []))
    AND job.id > $4::uuid
ORDER BY job.id
LIMIT $5
