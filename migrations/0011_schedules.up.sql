-- Recurring jobs: when they are due, the job that each makes, and where it stands. Exactly one of cron, every and once says
-- when. settings holds what the job says beyond its columns.
--
-- look_at is when the scheduler looks at it next: next_run_at, or later where a firing was refused, held_back saying why.
CREATE TABLE gosynq.schedules (
    id text PRIMARY KEY CHECK (id ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    description text NOT NULL,
    cron text CHECK (cron <> ''),
    every interval CHECK (every BETWEEN '1 second' AND '365 days'),
    once timestamptz,
    time_zone text NOT NULL,
    start_at timestamptz,
    end_at timestamptz,
    overlap_policy text NOT NULL CHECK (overlap_policy IN ('allow', 'skip', 'cancel_previous', 'queue')),
    catch_up_policy text NOT NULL CHECK (catch_up_policy IN ('none', 'one', 'all')),
    jitter interval NOT NULL CHECK (jitter BETWEEN '0' AND '1 day'),
    queue text NOT NULL,
    kind text NOT NULL,
    content_type text NOT NULL,
    payload bytea NOT NULL,
    settings jsonb NOT NULL,
    paused boolean NOT NULL DEFAULT false,
    next_run_at timestamptz,
    look_at timestamptz,
    held_back text NOT NULL DEFAULT '',
    last_run_at timestamptz,
    last_job_id uuid,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    CHECK (num_nonnulls(cron, every, once) = 1),
    CHECK ((next_run_at IS NULL) = (look_at IS NULL)),
    CHECK (NOT paused OR next_run_at IS NULL),
    CHECK ((last_run_at IS NULL) = (last_job_id IS NULL))
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000
);

CREATE INDEX schedules_due ON gosynq.schedules (look_at, queue, id) WHERE look_at IS NOT NULL;
