-- Writes down the job that a schedule has been made to make.
-- $1 id; $2 the job. Locks: the row.
UPDATE gosynq.schedules
SET last_run_at = statement_timestamp(), last_job_id = $2
WHERE id = $1
