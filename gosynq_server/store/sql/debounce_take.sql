-- Says which job a debounce key of a queue names: the given one where the key is new.
-- $1 queue; $2 key; $3 job id. Locks: the key's row until commit; rival callers with the key wait.
INSERT INTO gosynq.debounce_keys AS held (queue, key, job_id, check_at)
VALUES ($1, $2, $3, statement_timestamp() + interval '1 minute')
ON CONFLICT (queue, key) DO UPDATE SET job_id = held.job_id
RETURNING job_id
