-- Lets a debounce key of a queue name another job.
-- $1 queue; $2 key; $3 job id. Locks: the key's row.
UPDATE gosynq.debounce_keys
SET job_id = $3, check_at = statement_timestamp() + interval '1 minute'
WHERE queue = $1 AND key = $2
