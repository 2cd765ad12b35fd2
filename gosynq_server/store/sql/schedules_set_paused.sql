-- Pauses a schedule, or lets it go on, as a new version.
-- $1 id; $2 whether it is paused from now on; $3 when it is due next, or null. Locks: the row.
UPDATE gosynq.schedules
SET
    paused = $2, next_run_at = $3, look_at = $3, held_back = '', updated_at = statement_timestamp(),
    version = version + 1
WHERE id = $1
RETURNING
    id, description, cron, every, once, time_zone, start_at, end_at, overlap_policy, catch_up_policy, jitter, queue, kind,
    content_type, payload, settings, paused, next_run_at, held_back, last_run_at, last_job_id, created_at, updated_at,
    version
