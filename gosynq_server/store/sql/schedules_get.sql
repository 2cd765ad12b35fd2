-- Reads a schedule.
-- $1 id. Locks: none.
SELECT
    id, description, cron, every, once, time_zone, start_at, end_at, overlap_policy, catch_up_policy, jitter, queue, kind,
    content_type, payload, settings, paused, next_run_at, held_back, last_run_at, last_job_id, created_at, updated_at,
    version
FROM gosynq.schedules
WHERE id = $1
