-- Says which of some jobs are terminal, or gone.
-- $1 ids. Locks: none.
SELECT waited.id
FROM unnest($1::uuid []) AS waited (id)
WHERE
    EXISTS (SELECT FROM gosynq.finished AS job WHERE job.id = waited.id)
    OR NOT EXISTS (SELECT FROM gosynq.jobs AS job WHERE job.id = waited.id)
