-- Writes where schedules stand after they were looked at.
-- $1 ids; $2 when each is due next and $3 when it is looked at next, or null; $4 why it is held back; $5 the due time of what
-- it fired and $6 its job, null where it did not fire. Locks: the rows, which the caller has locked.
UPDATE gosynq.schedules AS schedule
SET
    next_run_at = moved.next_run_at, look_at = moved.look_at, held_back = moved.held_back,
    last_run_at = coalesce(moved.last_run_at, schedule.last_run_at),
    last_job_id = coalesce(moved.last_job_id, schedule.last_job_id)
FROM unnest($1::text [], $2::timestamptz [], $3::timestamptz [], $4::text [], $5::timestamptz [], $6::uuid []) AS moved (
    id, next_run_at, look_at, held_back, last_run_at, last_job_id
)
WHERE schedule.id = moved.id
