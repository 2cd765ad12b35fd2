-- Adds a schedule; no row where there is one of its id.
-- $1 id; $2 description; $3 cron, $4 every, $5 once, one of them not null; $6 time zone; $7 start and $8 end or null; $9
-- overlap and $10 catch-up policy; $11 jitter; $12 queue, $13 kind, $14 content type, $15 payload and $16 settings of the job;
-- $17 the moment of its creation; $18 when it is due first. Locks: the id's index entry until commit.
INSERT INTO gosynq.schedules (
    id, description, cron, every, once, time_zone, start_at, end_at, overlap_policy, catch_up_policy, jitter, queue, kind,
    content_type, payload, settings, created_at, updated_at, next_run_at, look_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17, $18, $18)
ON CONFLICT (id) DO NOTHING
RETURNING
    id, description, cron, every, once, time_zone, start_at, end_at, overlap_policy, catch_up_policy, jitter, queue, kind,
    content_type, payload, settings, paused, next_run_at, held_back, last_run_at, last_job_id, created_at, updated_at,
    version
