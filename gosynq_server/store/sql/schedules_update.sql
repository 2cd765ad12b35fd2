-- Writes what a schedule says and when it is due next, as a new version; a firing that was held back is tried at once.
-- $1 id; $2 description; $3 cron, $4 every, $5 once, one of them not null; $6 time zone; $7 start and $8 end or null; $9
-- overlap and $10 catch-up policy; $11 jitter; $12 queue, $13 kind, $14 content type, $15 payload and $16 settings of the job;
-- $17 when it is due next, or null. Locks: the row.
UPDATE gosynq.schedules
SET
    description = $2, cron = $3, every = $4, once = $5, time_zone = $6, start_at = $7, end_at = $8, overlap_policy = $9,
    catch_up_policy = $10, jitter = $11, queue = $12, kind = $13, content_type = $14, payload = $15, settings = $16,
    next_run_at = $17, look_at = $17, held_back = '', updated_at = statement_timestamp(), version = version + 1
WHERE id = $1
RETURNING
    id, description, cron, every, once, time_zone, start_at, end_at, overlap_policy, catch_up_policy, jitter, queue, kind,
    content_type, payload, settings, paused, next_run_at, held_back, last_run_at, last_job_id, created_at, updated_at,
    version
