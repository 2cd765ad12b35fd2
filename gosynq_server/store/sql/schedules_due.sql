-- Reads schedules that are due, the earliest first and of one moment queue by queue, so that few queues have to be added to,
-- and the time.
-- $1 how many at most. Locks: the rows, until commit; those that others hold are passed over. One that a rival has moved on
-- since this statement began is looked at anew when it is locked, and is due no more.
SELECT
    id, description, cron, every, once, time_zone, start_at, end_at, overlap_policy, catch_up_policy, jitter, queue, kind,
    content_type, payload, settings, paused, next_run_at, held_back, last_run_at, last_job_id, created_at, updated_at,
    version,
    statement_timestamp() AS now
FROM gosynq.schedules
WHERE look_at <= statement_timestamp()
ORDER BY look_at, queue, id
LIMIT $1
FOR UPDATE SKIP LOCKED
