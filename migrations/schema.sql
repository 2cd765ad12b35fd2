-- The whole schema, to be read: what migrations/NNNN_*.up.sql add up to, which a test compares. Never applied by us.
--
-- A job moves scheduled -> ready -> running -> finished by DELETE ... RETURNING and INSERT in one statement. No row on
-- the hot path is updated in place, so each table is as small as its stage and needs no status column and no partial
-- index. Every key holds the queue, so that the tables can be distributed by it. No foreign key leads to a hot row.
--
-- What the runner of migrations keeps for itself (gosynq.migrations, gosynq.migration_lease) is not shown.

CREATE SCHEMA gosynq;

CREATE TABLE gosynq.queues (
    name text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$'),
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'draining')),
    state_reason text NOT NULL DEFAULT '',
    state_changed_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    priority smallint CHECK (priority BETWEEN 1 AND 4),
    max_retries integer CHECK (max_retries BETWEEN 0 AND 1000),
    max_deliveries integer CHECK (max_deliveries BETWEEN 1 AND 1000),
    retry_policy jsonb,
    lease_duration interval CHECK (lease_duration BETWEEN '1 second' AND '12 hours'),
    attempt_timeout interval CHECK (attempt_timeout BETWEEN '1 second' AND '7 days'),
    retention interval CHECK (retention BETWEEN '0' AND '365 days'),
    dead_letter_retention interval CHECK (dead_letter_retention BETWEEN '0' AND '365 days'),
    max_payload_bytes integer CHECK (max_payload_bytes BETWEEN 0 AND 3145728),
    description text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    max_concurrency integer CHECK (max_concurrency >= 0),
    max_concurrency_per_key integer CHECK (max_concurrency_per_key > 0),
    max_leases_per_second double precision CHECK (max_leases_per_second > 0),
    lease_burst integer CHECK (lease_burst > 0),
    max_pending bigint CHECK (max_pending >= 0),
    priority_ageing interval CHECK (priority_ageing BETWEEN '0' AND '30 days'),
    strict_priorities boolean NOT NULL DEFAULT false,
    fairness_weights jsonb NOT NULL DEFAULT '{}',
    -- Rises with every change of the settings and the state.
    version bigint NOT NULL DEFAULT 1
);

-- The three tables that follow churn: they are vacuumed by count rather than by share, without pauses.

-- Waiting for run_at, or for the end of a back-off. A null setting is the queue's; a null payload stands in payloads.
CREATE TABLE gosynq.scheduled (
    id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    run_at timestamptz NOT NULL,
    expires_at timestamptz,
    revision integer NOT NULL CHECK (revision > 0),
    lease_seq integer NOT NULL CHECK (lease_seq >= 0),
    failures integer NOT NULL CHECK (failures >= 0),
    deliveries integer NOT NULL CHECK (deliveries >= 0),
    max_retries integer CHECK (max_retries BETWEEN 0 AND 1000),
    max_deliveries integer CHECK (max_deliveries BETWEEN 1 AND 1000),
    priority smallint NOT NULL CHECK (priority BETWEEN 1 AND 4),
    lease_duration interval,
    attempt_timeout interval,
    retention interval,
    queue text NOT NULL,
    kind text NOT NULL,
    idempotency_key text CHECK (idempotency_key <> ''),
    schedule_id text,
    retry_policy jsonb,
    labels jsonb,
    headers jsonb,
    content_type text NOT NULL,
    payload bytea,
    CHECK (failures + deliveries <= lease_seq),
    PRIMARY KEY (id, queue)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX scheduled_expiry ON gosynq.scheduled (expires_at) WHERE expires_at IS NOT NULL;

-- Due. ready_at is set by the database when the job becomes due, never by a caller.
CREATE TABLE gosynq.ready (
    LIKE gosynq.scheduled INCLUDING CONSTRAINTS,
    ready_at timestamptz NOT NULL,
    PRIMARY KEY (id, queue)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX ready_expiry ON gosynq.ready (expires_at) WHERE expires_at IS NOT NULL;

-- Leased.
CREATE TABLE gosynq.running (
    LIKE gosynq.scheduled INCLUDING CONSTRAINTS,
    worker_id text NOT NULL,
    leased_at timestamptz NOT NULL,
    lease_expires_at timestamptz NOT NULL,
    attempt_deadline timestamptz,
    cancel_requested_at timestamptz,
    cancel_reason text,
    progress jsonb,
    CHECK (lease_seq > 0),
    CHECK (deliveries > 0),
    CHECK (lease_expires_at >= leased_at),
    CHECK ((cancel_requested_at IS NULL) = (cancel_reason IS NULL)),
    PRIMARY KEY (id, queue)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
    fillfactor = 70
);

CREATE INDEX running_expiry ON gosynq.running (lease_expires_at);

-- Terminal. Partitioned by the day from which a job may be pruned, so that rows of one age and retention go together.
CREATE TABLE gosynq.finished (
    LIKE gosynq.scheduled INCLUDING CONSTRAINTS,
    status text NOT NULL CHECK (status IN ('completed', 'failed', 'cancelled')),
    worker_id text,
    started_at timestamptz,
    finished_at timestamptz NOT NULL,
    prune_on date NOT NULL,
    cancel_requested_at timestamptz,
    cancel_reason text,
    progress jsonb,
    result_content_type text,
    result bytea,
    CHECK (status <> 'completed' OR lease_seq > 0),
    CHECK ((result IS NULL) = (result_content_type IS NULL)),
    PRIMARY KEY (id, queue, prune_on)
) PARTITION BY RANGE (prune_on);

CREATE INDEX finished_badly ON gosynq.finished (id) WHERE status <> 'completed';
CREATE INDEX finished_dead ON gosynq.finished (finished_at, id) WHERE status = 'failed';
CREATE INDEX finished_dead_queue ON gosynq.finished (queue, finished_at, id) WHERE status = 'failed';
CREATE TABLE gosynq.finished_other PARTITION OF gosynq.finished DEFAULT;

-- The last change of a scheduled job: its coming there, or another start since. The other stages, made like this one before
-- it had this, know it by ready_at; by leased_at, cancel_requested_at and progress; by finished_at.
ALTER TABLE gosynq.scheduled ADD COLUMN updated_at timestamptz NOT NULL DEFAULT statement_timestamp();

-- A job has a concurrency key or an ordering key or neither; with one it is due and held as long as other jobs have the key's
-- places: rank is set then, and null until it is due.
ALTER TABLE gosynq.scheduled
ADD COLUMN concurrency_key text COLLATE "C" CHECK (concurrency_key <> ''),
ADD COLUMN ordering_key text COLLATE "C" CHECK (ordering_key <> ''),
ADD COLUMN fairness_key text COLLATE "C" NOT NULL DEFAULT '',
ADD COLUMN rank timestamptz,
ADD CHECK (concurrency_key IS NULL OR ordering_key IS NULL);

ALTER TABLE gosynq.ready
ADD COLUMN concurrency_key text COLLATE "C" CHECK (concurrency_key <> ''),
ADD COLUMN ordering_key text COLLATE "C" CHECK (ordering_key <> ''),
ADD COLUMN fairness_key text COLLATE "C" NOT NULL DEFAULT '',
ADD COLUMN rank timestamptz NOT NULL,
ADD CHECK (concurrency_key IS NULL OR ordering_key IS NULL);

ALTER TABLE gosynq.running
ADD COLUMN concurrency_key text COLLATE "C" CHECK (concurrency_key <> ''),
ADD COLUMN ordering_key text COLLATE "C" CHECK (ordering_key <> ''),
ADD COLUMN fairness_key text COLLATE "C" NOT NULL DEFAULT '',
ADD CHECK (concurrency_key IS NULL OR ordering_key IS NULL);

ALTER TABLE gosynq.finished
ADD COLUMN concurrency_key text COLLATE "C" CHECK (concurrency_key <> ''),
ADD COLUMN ordering_key text COLLATE "C" CHECK (ordering_key <> ''),
ADD COLUMN fairness_key text COLLATE "C" NOT NULL DEFAULT '',
ADD CHECK (concurrency_key IS NULL OR ordering_key IS NULL);

CREATE INDEX scheduled_due ON gosynq.scheduled (queue, run_at, id) WHERE rank IS NULL;
CREATE INDEX scheduled_held ON gosynq.scheduled (queue, concurrency_key, rank, id)
WHERE rank IS NOT NULL AND concurrency_key IS NOT NULL;
CREATE INDEX scheduled_ordering ON gosynq.scheduled (queue, ordering_key, id) WHERE ordering_key IS NOT NULL;

-- By rank alone: a job's rank is the moment at which it became due, moved back by its priority. See gosynq.ageing.
CREATE INDEX ready_order ON gosynq.ready (queue, fairness_key, rank, id);
CREATE INDEX ready_kind ON gosynq.ready (queue, kind, fairness_key, rank, id);
CREATE INDEX ready_concurrency ON gosynq.ready (queue, concurrency_key) WHERE concurrency_key IS NOT NULL;
CREATE INDEX ready_ordering ON gosynq.ready (queue, ordering_key) WHERE ordering_key IS NOT NULL;

CREATE INDEX running_concurrency ON gosynq.running (queue, concurrency_key);
CREATE INDEX running_ordering ON gosynq.running (queue, ordering_key) WHERE ordering_key IS NOT NULL;

-- Payloads too large to be copied from stage to stage: written once, deleted with their job.
CREATE TABLE gosynq.payloads (
    job_id uuid NOT NULL,
    queue text NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (job_id, queue)
);

ALTER TABLE gosynq.payloads ALTER COLUMN data SET STORAGE EXTERNAL;

-- Attempts that ended otherwise than well. A good one is told by the job itself.
CREATE TABLE gosynq.attempts (
    job_id uuid NOT NULL,
    queue text NOT NULL,
    lease_seq integer NOT NULL CHECK (lease_seq > 0),
    attempt integer NOT NULL CHECK (attempt > 0),
    worker_id text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('failed', 'cancelled', 'lease_expired', 'timed_out')),
    error jsonb,
    stack_trace text NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, queue, lease_seq)
);

-- A key names one job until that job has been terminal for the idempotency window. check_at is when a sweeper next looks.
CREATE TABLE gosynq.idempotency_keys (
    queue text NOT NULL,
    key text NOT NULL CHECK (key <> ''),
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    job_id uuid NOT NULL,
    check_at timestamptz NOT NULL,
    PRIMARY KEY (queue, key)
);

CREATE INDEX idempotency_keys_check ON gosynq.idempotency_keys (check_at);

-- Where a queue stands: whose turn it is, how much of it was had, and when at the allowed rate the next lease is due. Whoever
-- leases from a queue that has limits or fairness keys holds its row until commit. The key has no collation of its own: a
-- function gives that of one argument to all, and a queue's name would be looked for past the index.
CREATE TABLE gosynq.queue_turns (
    queue text PRIMARY KEY,
    fairness_key text NOT NULL DEFAULT '',
    taken integer NOT NULL DEFAULT 0,
    next_lease_at timestamptz NOT NULL DEFAULT 'epoch'
) WITH (fillfactor = 50);

-- How many jobs can be added to a queue with max_pending before they have to be counted again.
CREATE TABLE gosynq.queue_rooms (
    queue text PRIMARY KEY,
    room bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- A debounce key names a job that waits for its first lease; where that is over, the row means nothing. check_at is when a
-- sweeper next looks.
CREATE TABLE gosynq.debounce_keys (
    queue text NOT NULL,
    key text NOT NULL CHECK (key <> ''),
    job_id uuid NOT NULL,
    check_at timestamptz NOT NULL,
    PRIMARY KEY (queue, key)
);

CREATE INDEX debounce_keys_check ON gosynq.debounce_keys (check_at);

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

-- What happened, one row per statement, queue and type: element i of each array belongs to job i. A null labels or
-- details array is one of nulls.
CREATE TABLE gosynq.events (
    node smallint NOT NULL DEFAULT 0,
    id bigint GENERATED ALWAYS AS IDENTITY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    day date NOT NULL DEFAULT (statement_timestamp() AT TIME ZONE 'UTC')::date,
    occurred_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    type text NOT NULL CHECK (
        type IN (
            'created', 'started', 'succeeded', 'failed', 'cancelled', 'cancel_requested', 'dead_lettered', 'requeued',
            'deleted'
        )
    ),
    queue text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    worker_id text,
    job_ids uuid [] NOT NULL,
    kinds text [] NOT NULL,
    priorities smallint [] NOT NULL,
    attempts integer [] NOT NULL,
    revisions integer [] NOT NULL,
    labels jsonb [],
    details jsonb [],
    PRIMARY KEY (xid, id, day)
) PARTITION BY RANGE (day);

ALTER TABLE gosynq.events ALTER COLUMN job_ids SET STORAGE EXTERNAL;
CREATE TABLE gosynq.events_other PARTITION OF gosynq.events DEFAULT;

-- The one order of all events: a tick keeps what was committed when it was made. The events of a tick are those that it sees
-- and the tick before does not, in the order of their ids.
--
-- No partitions: the key of the next tick decides between rival tickers.
CREATE TABLE gosynq.ticks (
    node smallint NOT NULL DEFAULT 0,
    id bigint NOT NULL,
    made_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    snapshot pg_snapshot NOT NULL,
    PRIMARY KEY (node, id)
);

CREATE INDEX ticks_made_at ON gosynq.ticks (made_at);
INSERT INTO gosynq.ticks (id, snapshot) VALUES (0, pg_current_snapshot());

-- Workers that were heard of lately: one row for each, which its server renews.
--
-- server_id is empty for one that polls; no queues, or no kinds, means all of them. A session that finds another one's id in
-- its row was replaced.
CREATE TABLE gosynq.workers (
    worker_id text COLLATE "C" PRIMARY KEY CHECK (worker_id <> ''),
    server_id text NOT NULL,
    session_id text NOT NULL,
    queues text [] NOT NULL,
    weights integer [] NOT NULL,
    limits integer [] NOT NULL,
    kinds text [] NOT NULL,
    make jsonb NOT NULL,
    max_in_flight integer NOT NULL CHECK (max_in_flight >= 0),
    connected_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    renewed_at timestamptz NOT NULL,
    drain_reason text,
    CHECK (cardinality(weights) = cardinality(queues)),
    CHECK (cardinality(limits) = cardinality(queues))
) WITH (fillfactor = 70);

-- Every job, with the status that its stage means.
CREATE VIEW gosynq.jobs AS
SELECT
    id, queue, kind, 'pending' AS status, 'scheduled' AS stage, priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    NULL::text AS worker_id, NULL::timestamptz AS started_at, NULL::timestamptz AS finished_at,
    NULL::timestamptz AS lease_expires_at, NULL::timestamptz AS cancel_requested_at, NULL::text AS cancel_reason,
    NULL::jsonb AS progress, NULL::text AS result_content_type, NULL::bytea AS result, updated_at,
    concurrency_key, ordering_key, fairness_key
FROM gosynq.scheduled
UNION ALL
SELECT
    id, queue, kind, 'pending', 'ready', priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ready_at, concurrency_key, ordering_key, fairness_key
FROM gosynq.ready
UNION ALL
SELECT
    id, queue, kind, 'processing', 'running', priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    worker_id, leased_at, NULL, lease_expires_at, cancel_requested_at, cancel_reason, progress, NULL, NULL,
    greatest(leased_at, cancel_requested_at, (progress ->> 'updated_at')::timestamptz),
    concurrency_key, ordering_key, fairness_key
FROM gosynq.running
UNION ALL
SELECT
    id, queue, kind, status, 'finished', priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    worker_id, started_at, finished_at, NULL, cancel_requested_at, cancel_reason, progress, result_content_type, result,
    finished_at, concurrency_key, ordering_key, fairness_key
FROM gosynq.finished;

-- Makes the partition of one day, taking over what the default partition holds of it. Does nothing where it is there.
CREATE FUNCTION gosynq.make_partition(parent text, key text, day date) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    child text := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
BEGIN
    IF to_regclass(format('gosynq.%I', child)) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- A row that came between the move and the attachment would make the attachment fail. The parent is locked first, as
    -- a drop does, and a rival that made the day meanwhile is seen only now.
    EXECUTE format('LOCK TABLE ONLY gosynq.%I IN SHARE UPDATE EXCLUSIVE MODE', parent);
    EXECUTE format('LOCK TABLE gosynq.%I IN ACCESS EXCLUSIVE MODE', parent || '_other');
    IF to_regclass(format('gosynq.%I', child)) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE gosynq.%I (LIKE gosynq.%I INCLUDING ALL EXCLUDING IDENTITY)', child, parent);
    EXECUTE format(
        'WITH moved AS (DELETE FROM gosynq.%I WHERE %I = %L RETURNING *) '
        'INSERT INTO gosynq.%I OVERRIDING SYSTEM VALUE SELECT * FROM moved',
        parent || '_other', key, day, child
    );
    EXECUTE format(
        'ALTER TABLE gosynq.%I ATTACH PARTITION gosynq.%I FOR VALUES FROM (%L) TO (%L)', parent, child, day, day + 1
    );
    RETURN true;
END $$;

-- Drops the partition of one day. Does nothing where there is none.
CREATE FUNCTION gosynq.drop_partition(parent text, day date) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    child text := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
BEGIN
    IF to_regclass(format('gosynq.%I', child)) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS gosynq.%I', child);
    RETURN true;
END $$;

-- Says how much waiting makes up for one level of priority; where priorities are strict, a thousand years.
CREATE FUNCTION gosynq.ageing(queue_name text) RETURNS interval
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(
        (
            SELECT CASE WHEN strict_priorities THEN interval '8766000 hours' ELSE priority_ageing END
            FROM gosynq.queues
            WHERE name = queue_name
        ),
        interval '10 minutes'
    );
$$;

-- Waits until every lease of a queue that is about to be granted is, and keeps the next ones waiting until commit.
CREATE FUNCTION gosynq.halt_leases(queue_name text) RETURNS void
LANGUAGE sql
AS $$
    SELECT pg_advisory_xact_lock(hashtextextended('gosynq.lease.' || queue_name, 0));
$$;

-- Locks the next ready jobs of one fairness key, through the queue; returns their places in order. Settings as ever: the index
-- gives the order.
CREATE FUNCTION gosynq.lock_ready_in_order(queue_name text, wanted_kinds text [], lane text, wanted bigint)
RETURNS SETOF tid
LANGUAGE plpgsql
SET enable_sort = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN QUERY
    SELECT job.ctid
    FROM gosynq.ready AS job
    WHERE
        job.queue = queue_name AND job.fairness_key = lane AND (wanted_kinds IS NULL OR job.kind = ANY(wanted_kinds))
        AND (job.expires_at IS NULL OR job.expires_at > statement_timestamp())
    ORDER BY job.rank, job.id
    LIMIT wanted
    FOR UPDATE OF job SKIP LOCKED;
END $$;

-- The same kind by kind, which locks up to so many of each and lets go of the rest when the statement ends.
CREATE FUNCTION gosynq.lock_ready_by_kind(queue_name text, wanted_kinds text [], lane text, wanted bigint)
RETURNS SETOF tid
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    RETURN QUERY
    SELECT picked.place
    FROM unnest(wanted_kinds) AS wanted_kind (kind)
    CROSS JOIN LATERAL (
        SELECT job.ctid AS place, job.rank, job.id
        FROM gosynq.ready AS job
        WHERE
            job.queue = queue_name AND job.kind = wanted_kind.kind AND job.fairness_key = lane
            AND (job.expires_at IS NULL OR job.expires_at > statement_timestamp())
        ORDER BY job.rank, job.id
        LIMIT wanted
        FOR UPDATE OF job SKIP LOCKED
    ) AS picked
    ORDER BY picked.rank, picked.id
    LIMIT wanted;
END $$;

-- Locks the next ready jobs of one fairness key, the shorter way.
CREATE FUNCTION gosynq.lock_ready_of_lane(
    queue_name text, wanted_kinds text [], by_kind boolean, lane text, wanted bigint
)
RETURNS SETOF tid
LANGUAGE plpgsql
AS $$
BEGIN
    IF by_kind THEN
        RETURN QUERY SELECT * FROM gosynq.lock_ready_by_kind(queue_name, wanted_kinds, lane, wanted);
    ELSE
        RETURN QUERY SELECT * FROM gosynq.lock_ready_in_order(queue_name, wanted_kinds, lane, wanted);
    END IF;
END $$;

-- Says whether the head of a queue is mostly of other kinds, so that kind by kind is the shorter way.
CREATE FUNCTION gosynq.is_mostly_unwanted(queue_name text, wanted_kinds text []) RETURNS boolean
LANGUAGE plpgsql
SET enable_sort = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (
        SELECT count(*) FILTER (WHERE head.kind = ANY(wanted_kinds)) * 2 < count(*)
        FROM (
            SELECT job.kind
            FROM gosynq.ready AS job
            WHERE job.queue = queue_name
            ORDER BY job.fairness_key, job.rank, job.id
            LIMIT 64
        ) AS head
    );
END $$;

-- Names the fairness keys with ready jobs that can be leased in the order of their turns, from one on, which need not be there; at
-- most so many. A key whose first job is of another kind may have none of those that are wanted: then the kinds are asked.
-- The character is one that no key has: with it a key is followed by nothing but itself.
CREATE FUNCTION gosynq.next_lanes(
    queue_name text, wanted_kinds text [], by_kind boolean, first_lane text, wanted bigint
)
RETURNS text []
LANGUAGE plpgsql
SET enable_sort = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    lanes text [] := '{}';
    lane text COLLATE "C";
    lower_bound text COLLATE "C" := first_lane;
    is_second_pass boolean := false;
    is_wanted boolean := false;
BEGIN
    WHILE cardinality(lanes) < wanted LOOP
        IF NOT by_kind THEN
            SELECT job.fairness_key, wanted_kinds IS NULL OR job.kind = ANY(wanted_kinds) INTO lane, is_wanted
            FROM gosynq.ready AS job
            WHERE
                job.queue = queue_name AND job.fairness_key >= lower_bound
                AND (job.expires_at IS NULL OR job.expires_at > statement_timestamp())
            ORDER BY job.fairness_key, job.rank, job.id
            LIMIT 1;
        END IF;
        IF NOT is_wanted THEN
            SELECT min(next.fairness_key) INTO lane
            FROM unnest(wanted_kinds) AS wanted_kind (kind)
            CROSS JOIN LATERAL (
                SELECT job.fairness_key
                FROM gosynq.ready AS job
                WHERE
                    job.queue = queue_name AND job.kind = wanted_kind.kind AND job.fairness_key >= lower_bound
                    AND (job.expires_at IS NULL OR job.expires_at > statement_timestamp())
                ORDER BY job.fairness_key
                LIMIT 1
            ) AS next;
        END IF;
        EXIT WHEN is_second_pass AND (lane IS NULL OR lane >= first_lane);
        IF lane IS NULL THEN
            is_second_pass := true;
            lower_bound := '';
        ELSE
            lanes := lanes || lane;
            lower_bound := lane || E'\x01';
        END IF;
    END LOOP;
    RETURN lanes;
END $$;

-- Locks the next ready jobs of a queue key by key in turn, each key as often at its turn as it weighs; returns their places in
-- order, and whose turn it is then and how much of it was had. The queue's row in queue_turns is held.
--
-- So many rounds are looked at as are thought to be enough, and more where keys had fewer jobs than that. What has to be sorted
-- here is small: without its settings the planner, told not to sort, would think it dear enough to be compiled.
CREATE FUNCTION gosynq.lock_ready_in_turn(
    queue_name text, wanted_kinds text [], wanted bigint, weights jsonb,
    INOUT lane text, INOUT taken integer, OUT places tid []
)
LANGUAGE plpgsql
SET enable_sort = on
SET enable_hashjoin = on
SET jit = off
AS $$
DECLARE
    by_kind boolean := wanted_kinds IS NOT NULL AND gosynq.is_mostly_unwanted(queue_name, wanted_kinds);
    is_over boolean := taken >= coalesce((weights ->> lane)::integer, 1);
    lanes text [] := gosynq.next_lanes(
        queue_name, wanted_kinds, by_kind, CASE WHEN is_over THEN lane || E'\x01' ELSE lane END, wanted
    );
    had integer := CASE WHEN lanes[1] = lane AND NOT is_over THEN taken ELSE 0 END;
    rounds bigint;
    is_short boolean;
    last_lane text;
    last_taken integer;
BEGIN
    SELECT 2 + wanted / sum(coalesce((weights ->> name)::integer, 1)) INTO rounds FROM unnest(lanes) AS name;
    LOOP
        WITH picked AS MATERIALIZED (
            SELECT
                job.place, turn.name, turn.number, turn.weight, job.position, job.position = turn.weight * rounds AS is_cut,
                job.position - 1 + CASE WHEN turn.number = 1 THEN had ELSE 0 END AS before
            FROM (
                SELECT listed.name, listed.number, coalesce((weights ->> listed.name)::integer, 1) AS weight
                FROM unnest(lanes) WITH ORDINALITY AS listed (name, number)
            ) AS turn
            CROSS JOIN LATERAL gosynq.lock_ready_of_lane(
                queue_name, wanted_kinds, by_kind, turn.name, least(turn.weight * rounds, wanted)
            ) WITH ORDINALITY AS job (place, position)
        ),
        first AS (
            SELECT * FROM picked ORDER BY picked.before / picked.weight, picked.number, picked.position LIMIT wanted
        ),
        last AS (
            SELECT * FROM first ORDER BY first.before / first.weight DESC, first.number DESC, first.position DESC LIMIT 1
        )
        SELECT
            (SELECT array_agg(first.place ORDER BY first.before / first.weight, first.number, first.position) FROM first),
            (SELECT count(*) < wanted FROM first) AND (SELECT bool_or(picked.is_cut) FROM picked),
            (SELECT last.name FROM last), (SELECT last.before % last.weight + 1 FROM last)
        INTO places, is_short, last_lane, last_taken;
        EXIT WHEN is_short IS NOT TRUE;
        rounds := rounds * 4;
    END LOOP;
    lane := coalesce(last_lane, lane);
    taken := coalesce(last_taken, taken);
END $$;

-- Locks the next ready jobs of a queue, of some kinds or of all (null), as many as it may lease; returns their places in the
-- order in which they are to be leased. The last argument is not used: what it is made of has happened before.
--
-- A queue with limits or with fairness keys hands out to one after the other, each seeing what the one before it took: the
-- statements behind the lock see what was committed until then. Settings as before.
CREATE FUNCTION gosynq.lock_ready(queue_name text, wanted_kinds text [], wanted bigint, ended bigint DEFAULT 0)
RETURNS SETOF tid
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    settings gosynq.queues;
    turn gosynq.queue_turns;
    last_lane text;
    is_limited boolean;
    room bigint := wanted;
    places tid [];
BEGIN
    IF wanted <= 0 THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('gosynq.lease.' || queue_name, 0));
    SELECT * INTO settings FROM gosynq.queues WHERE name = queue_name;
    SELECT job.fairness_key INTO last_lane
    FROM gosynq.ready AS job
    WHERE job.queue = queue_name
    ORDER BY job.fairness_key DESC
    LIMIT 1;
    IF settings.state = 'paused' OR last_lane IS NULL THEN
        RETURN;
    END IF;
    is_limited := settings.max_concurrency IS NOT NULL OR settings.max_leases_per_second IS NOT NULL;
    IF last_lane = '' AND NOT is_limited THEN
        RETURN QUERY SELECT * FROM gosynq.lock_ready_of_lane(
            queue_name, wanted_kinds, wanted_kinds IS NOT NULL AND gosynq.is_mostly_unwanted(queue_name, wanted_kinds),
            '', wanted
        );
        RETURN;
    END IF;
    INSERT INTO gosynq.queue_turns (queue) VALUES (queue_name) ON CONFLICT DO NOTHING;
    SELECT * INTO turn FROM gosynq.queue_turns WHERE queue = queue_name FOR UPDATE;
    room := least(wanted, gosynq.lease_room(settings, turn.next_lease_at));
    IF room <= 0 THEN
        RETURN;
    END IF;
    SELECT * INTO turn.fairness_key, turn.taken, places
    FROM gosynq.lock_ready_in_turn(
        queue_name, wanted_kinds, room, settings.fairness_weights, turn.fairness_key, turn.taken
    );
    UPDATE gosynq.queue_turns
    SET
        fairness_key = turn.fairness_key, taken = turn.taken,
        next_lease_at = greatest(next_lease_at, statement_timestamp())
            + coalesce(cardinality(places) / settings.max_leases_per_second, 0) * interval '1 second'
    WHERE queue = queue_name AND cardinality(places) > 0;
    RETURN QUERY SELECT place FROM unnest(places) AS place;
END $$;

-- Locks the scheduled jobs of a queue that are due, the earliest first; returns their places. Those that wait for a place of their
-- key are due already. Settings as before.
CREATE FUNCTION gosynq.lock_due(queue_name text, wanted bigint) RETURNS SETOF tid
LANGUAGE plpgsql
SET enable_sort = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN QUERY
    SELECT job.ctid
    FROM gosynq.scheduled AS job
    WHERE job.queue = queue_name AND job.rank IS NULL AND job.run_at <= statement_timestamp()
    ORDER BY job.run_at, job.id
    LIMIT wanted
    FOR UPDATE OF job SKIP LOCKED;
END $$;

-- Sends jobs with a concurrency key back from the front to wait for a place, since a limit of the key is new or lower.
CREATE FUNCTION gosynq.hold_again(queue_name text) RETURNS void
LANGUAGE sql
AS $$
    WITH gone AS (
        DELETE FROM gosynq.ready AS job
        WHERE job.queue = queue_name AND job.concurrency_key IS NOT NULL
        RETURNING job.*
    )
    INSERT INTO gosynq.scheduled (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, schedule_id,
        retry_policy, labels, headers, content_type, payload, concurrency_key, ordering_key, fairness_key, rank
    )
    SELECT
        gone.id, gone.queue, gone.kind, gone.priority, gone.created_at, gone.run_at, gone.revision, gone.lease_seq,
        gone.failures, gone.deliveries, gone.expires_at, gone.max_retries, gone.max_deliveries, gone.lease_duration,
        gone.attempt_timeout, gone.retention, gone.idempotency_key, gone.schedule_id, gone.retry_policy, gone.labels,
        gone.headers, gone.content_type, gone.payload, gone.concurrency_key, gone.ordering_key, gone.fairness_key,
        gone.rank
    FROM gone;
$$;

-- Says how many leases a queue may grant now: what is left of its concurrency, and of its rate with the burst that it saved.
--
-- The rate is kept by one moment, that of the next lease if all came evenly: it may lie ahead by the burst. So in any span of
-- time there are no more leases than the burst and the rate times the span.
CREATE FUNCTION gosynq.lease_room(settings gosynq.queues, next_lease_at timestamptz) RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    rate double precision := settings.max_leases_per_second;
    room bigint := 9223372036854775807;
BEGIN
    IF settings.max_concurrency IS NOT NULL THEN
        room := settings.max_concurrency - (SELECT count(*) FROM gosynq.running AS job WHERE job.queue = settings.name);
    END IF;
    IF rate IS NOT NULL THEN
        room := least(room, floor(
            coalesce(settings.lease_burst, ceil(rate))
            - greatest(extract(EPOCH FROM next_lease_at - statement_timestamp()), 0) * rate
        )::bigint);
    END IF;
    RETURN room;
END $$;

-- Names the next concurrency or ordering keys of a queue behind one for which jobs wait, at most so many.
CREATE FUNCTION gosynq.held_keys(queue_name text, noun text, after_key text, wanted bigint) RETURNS text []
LANGUAGE plpgsql
SET enable_sort = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    keys text [] := '{}';
    key text COLLATE "C" := after_key;
BEGIN
    WHILE cardinality(keys) < wanted LOOP
        IF noun = 'concurrency' THEN
            SELECT job.concurrency_key INTO key
            FROM gosynq.scheduled AS job
            WHERE
                job.queue = queue_name AND job.concurrency_key > key
                AND job.rank IS NOT NULL AND job.concurrency_key IS NOT NULL
            ORDER BY job.concurrency_key
            LIMIT 1;
        ELSE
            SELECT job.ordering_key INTO key
            FROM gosynq.scheduled AS job
            WHERE job.queue = queue_name AND job.ordering_key > key AND job.ordering_key IS NOT NULL
            ORDER BY job.ordering_key
            LIMIT 1;
        END IF;
        EXIT WHEN key IS NULL;
        keys := keys || key;
    END LOOP;
    RETURN keys;
END $$;

-- Lets jobs of one queue that wait for a key to the front, as many as their keys have places for; returns how many. Keys are
-- places in ready and running together: a job that is let through is leased without another look.
CREATE FUNCTION gosynq.admit(queue_name text, concurrency_keys text [], ordering_keys text [], most bigint) RETURNS bigint
LANGUAGE plpgsql
SET enable_sort = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    allowed integer;
    places tid [];
    moved bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('gosynq.admit.' || queue_name, 0));
    SELECT max_concurrency_per_key INTO allowed FROM gosynq.queues WHERE name = queue_name;
    places := ARRAY(
        SELECT held.place
        FROM unnest(concurrency_keys) AS wanted (key)
        CROSS JOIN LATERAL (
            SELECT job.ctid AS place
            FROM gosynq.scheduled AS job
            WHERE job.queue = queue_name AND job.concurrency_key = wanted.key AND job.rank IS NOT NULL
            ORDER BY job.rank, job.id
            LIMIT greatest(0, least(most, coalesce(
                allowed
                - (
                    SELECT count(*) FROM gosynq.ready AS rival
                    WHERE rival.queue = queue_name AND rival.concurrency_key = wanted.key
                )
                - (
                    SELECT count(*) FROM gosynq.running AS rival
                    WHERE rival.queue = queue_name AND rival.concurrency_key = wanted.key
                ),
                most
            )))
        ) AS held
        UNION ALL
        SELECT head.place
        FROM unnest(ordering_keys) AS wanted (key)
        CROSS JOIN LATERAL (
            SELECT job.ctid AS place, job.rank
            FROM gosynq.scheduled AS job
            WHERE job.queue = queue_name AND job.ordering_key = wanted.key
            ORDER BY job.id
            LIMIT 1
        ) AS head
        WHERE
            head.rank IS NOT NULL
            AND NOT EXISTS (
                SELECT FROM gosynq.ready AS rival
                WHERE rival.queue = queue_name AND rival.ordering_key = wanted.key
            )
            AND NOT EXISTS (
                SELECT FROM gosynq.running AS rival
                WHERE rival.queue = queue_name AND rival.ordering_key = wanted.key
            )
    );
    WITH admitted AS (
        DELETE FROM gosynq.scheduled AS job
        WHERE job.queue = queue_name AND job.ctid = ANY(places) AND job.rank IS NOT NULL
        RETURNING job.*
    )
    INSERT INTO gosynq.ready (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, schedule_id,
        retry_policy, labels, headers, content_type, payload, concurrency_key, ordering_key, fairness_key, rank, ready_at
    )
    SELECT
        admitted.id, admitted.queue, admitted.kind, admitted.priority, admitted.created_at, admitted.run_at,
        admitted.revision, admitted.lease_seq, admitted.failures, admitted.deliveries, admitted.expires_at,
        admitted.max_retries, admitted.max_deliveries, admitted.lease_duration, admitted.attempt_timeout,
        admitted.retention, admitted.idempotency_key, admitted.schedule_id, admitted.retry_policy, admitted.labels,
        admitted.headers, admitted.content_type, admitted.payload, admitted.concurrency_key, admitted.ordering_key,
        admitted.fairness_key, admitted.rank, statement_timestamp()
    FROM admitted;
    GET DIAGNOSTICS moved = ROW_COUNT;
    RETURN moved;
END $$;

-- Gives out room for so many new jobs in a queue, as far as its max_pending allows; returns for how many. Held until commit.
--
-- Jobs are counted when the room given out before is used up: what waits, and what is leased and may come back to wait.
CREATE FUNCTION gosynq.take_room(queue_name text, wanted bigint) RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    allowed bigint;
    left_over bigint;
    pending bigint;
    leased bigint;
    granted bigint := wanted;
BEGIN
    INSERT INTO gosynq.queue_rooms (queue) VALUES (queue_name) ON CONFLICT DO NOTHING;
    SELECT room INTO left_over FROM gosynq.queue_rooms WHERE queue = queue_name FOR UPDATE;
    SELECT max_pending INTO allowed FROM gosynq.queues WHERE name = queue_name;
    IF allowed IS NULL THEN
        RETURN wanted;
    END IF;
    IF left_over < wanted THEN
        SELECT count(*) INTO pending
        FROM (
            SELECT FROM gosynq.ready AS job WHERE job.queue = queue_name
            UNION ALL
            SELECT FROM gosynq.scheduled AS job WHERE job.queue = queue_name
            LIMIT allowed
        ) AS counted;
        SELECT count(*) INTO leased FROM gosynq.running AS job WHERE job.queue = queue_name;
        granted := least(wanted, allowed - pending);
        left_over := allowed - pending - leased;
    END IF;
    UPDATE gosynq.queue_rooms SET room = greatest(left_over - granted, 0) WHERE queue = queue_name;
    RETURN granted;
END $$;

-- Takes leases of a queue out of running, in the order in which they are named; returns their jobs.
--
-- A function for its settings alone: they leave the planner only the way that looks each lease up, one after the other, so
-- that whoever names leases in the order of their ids locks the rows in this order. A join by hash would lock them as they
-- lie in the table, and two that meet could wait for each other.
CREATE FUNCTION gosynq.end_leases(queue_name text, job_ids uuid [], lease_seqs integer []) RETURNS SETOF gosynq.running
LANGUAGE plpgsql
SET enable_nestloop = on
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN QUERY
    DELETE FROM gosynq.running AS job
    USING unnest(job_ids, lease_seqs) AS lease (id, lease_seq)
    WHERE job.queue = queue_name AND job.id = lease.id AND job.lease_seq = lease.lease_seq
    RETURNING job.*;
END $$;

-- Says whether there is no tick to go on from: none at all, or a last one from a cluster that was ahead of this one, which came
-- here in a dump and whose transactions are others here.
CREATE FUNCTION gosynq.lacks_history() RETURNS boolean
LANGUAGE sql
AS $$
    SELECT NOT EXISTS (
        SELECT
        FROM (SELECT snapshot FROM gosynq.ticks WHERE node = 0 ORDER BY id DESC LIMIT 1) AS last
        WHERE pg_snapshot_xmax(last.snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
    );
$$;

-- Begins a new order of events; those of the old one go, since no tick of here tells them from what is to come. So the jobs have
-- to be counted anew.
CREATE FUNCTION gosynq.begin_history() RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    LOCK TABLE gosynq.ticks IN ACCESS EXCLUSIVE MODE;
    IF gosynq.lacks_history() THEN
        TRUNCATE gosynq.events, gosynq.ticks;
        DELETE FROM gosynq.queue_counting;
        INSERT INTO gosynq.ticks (id, made_at, snapshot) VALUES (0, clock_timestamp(), pg_current_snapshot());
    END IF;
END $$;

-- Makes the next tick where there are events that the last one does not see, and it is min_age old at least; returns the last
-- tick then. is_young: nothing was looked for, since the last tick is too young.
--
-- With a min_age of zero the tick that is returned sees everything that was committed before the call.
-- Its settings as gosynq.lock_ready's: without statistics the planner would read all events.
CREATE FUNCTION gosynq.make_tick(
    min_age interval, OUT id bigint, OUT made_at timestamptz, OUT is_young boolean
)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    before bigint;
BEGIN
    IF gosynq.lacks_history() THEN
        PERFORM gosynq.begin_history();
    END IF;
    LOOP
        SELECT
            tick.id, tick.made_at,
            min_age > '0' AND tick.made_at BETWEEN statement_timestamp() - min_age AND statement_timestamp()
        INTO make_tick.id, make_tick.made_at, make_tick.is_young
        FROM gosynq.ticks AS tick
        WHERE tick.node = 0
        ORDER BY tick.id DESC
        LIMIT 1;
        -- Where a rival made the tick, it may have looked before our call: look again.
        EXIT WHEN make_tick.is_young OR make_tick.id = before;
        before := make_tick.id;
        -- Not statement_timestamp(): it may be long past where a rival was waited for, and whoever looks for the events from a
        -- moment on relies on it that a tick sees nothing that happened after it was made. It never goes back, so that the
        -- oldest ticks are the first, and pruning leaves no hole.
        INSERT INTO gosynq.ticks AS tick (id, made_at, snapshot)
        SELECT last.id + 1, greatest(last.made_at, clock_timestamp()), pg_current_snapshot()
        FROM gosynq.ticks AS last
        WHERE
            last.node = 0 AND last.id = before
            AND (
                EXISTS (SELECT FROM gosynq.events AS event WHERE event.xid >= pg_snapshot_xmax(last.snapshot))
                OR EXISTS (
                    SELECT FROM gosynq.events AS event
                    WHERE event.xid = ANY(ARRAY(SELECT pg_snapshot_xip(last.snapshot)))
                )
            )
        ON CONFLICT DO NOTHING
        RETURNING tick.id, tick.made_at INTO make_tick.id, make_tick.made_at;
        IF FOUND THEN
            PERFORM pg_notify('gosynq_ticks', '');
            EXIT;
        END IF;
        make_tick.id := NULL;
    END LOOP;
END $$;

-- Reads rows of the ticks behind after_tick, up to until_tick, in their order; of the first of them from the row first_row on.
-- Null lists set no condition. Raises no_data_found where after_tick is gone, and with it maybe events behind it: the lock
-- keeps partitions from being dropped in between, which the pruner does after it has deleted the ticks.
CREATE FUNCTION gosynq.read_events(
    after_tick bigint, until_tick bigint, first_row bigint, row_limit integer,
    queue_names text [], event_types text [], wanted_jobs uuid []
)
RETURNS TABLE (
    tick bigint, id bigint, occurred_at timestamptz, type text, queue text, status text, worker_id text,
    job_ids text [], kinds text [], priorities smallint [], attempts integer [], revisions integer [],
    labels jsonb [], details jsonb []
)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    seen pg_snapshot;
    step record;
    room integer := row_limit;
    given integer;
BEGIN
    LOCK TABLE gosynq.events IN ACCESS SHARE MODE;
    SELECT ticks.snapshot INTO seen FROM gosynq.ticks WHERE ticks.node = 0 AND ticks.id = after_tick;
    IF NOT FOUND THEN
        RAISE no_data_found USING MESSAGE = 'the tick is gone';
    END IF;
    FOR step IN
        SELECT ticks.id, ticks.snapshot
        FROM gosynq.ticks
        WHERE ticks.node = 0 AND ticks.id > after_tick AND ticks.id <= until_tick
        ORDER BY ticks.id
    LOOP
        RETURN QUERY
        SELECT
            step.id, event.id, event.occurred_at, event.type, event.queue, event.status, event.worker_id,
            event.job_ids::text [], event.kinds, event.priorities, event.attempts, event.revisions, event.labels,
            event.details
        FROM (
            SELECT newer.* FROM gosynq.events AS newer
            WHERE newer.xid >= pg_snapshot_xmax(seen) AND newer.xid < pg_snapshot_xmax(step.snapshot)
            UNION ALL
            SELECT late.* FROM gosynq.events AS late
            WHERE late.xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen)))
        ) AS event
        WHERE
            pg_visible_in_snapshot(event.xid, step.snapshot)
            AND event.id >= first_row
            AND (queue_names IS NULL OR event.queue = ANY(queue_names))
            AND (event_types IS NULL OR event.type = ANY(event_types))
            AND (wanted_jobs IS NULL OR event.job_ids && wanted_jobs)
        ORDER BY event.id
        LIMIT room;
        GET DIAGNOSTICS given = ROW_COUNT;
        room := room - given;
        EXIT WHEN room = 0;
        seen := step.snapshot;
        first_row := 0;
    END LOOP;
END $$;

-- How many jobs of each status there are, by queue, without ever counting a table: the events are summed up.
ALTER TABLE gosynq.queues ADD COLUMN is_deleting boolean NOT NULL DEFAULT false;

-- Where the jobs of a row were before, as far as its type and its worker do not tell: see gosynq.event_deltas. Whoever writes
-- events says it, or the counts are wrong for good.
ALTER TABLE gosynq.events
ADD COLUMN status_before text,
ADD COLUMN queue_before text;

-- The jobs that are stored, as of the snapshot in queue_counting. A number may be below 0 for a moment, where the end of what
-- began was counted first.
CREATE TABLE gosynq.queue_counts (
    queue text PRIMARY KEY,
    pending bigint NOT NULL DEFAULT 0,
    processing bigint NOT NULL DEFAULT 0,
    completed bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    cancelled bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Up to where events are counted: those that the snapshot sees are. No row: the jobs are to be counted.
CREATE TABLE gosynq.queue_counting (
    node smallint PRIMARY KEY DEFAULT 0,
    snapshot pg_snapshot NOT NULL,
    counted_at timestamptz NOT NULL DEFAULT statement_timestamp()
);

-- What happened in each five seconds of the last minutes.
CREATE TABLE gosynq.queue_rates (
    queue text NOT NULL,
    since timestamptz NOT NULL,
    enqueued bigint NOT NULL,
    completed bigint NOT NULL,
    failed bigint NOT NULL,
    PRIMARY KEY (queue, since)
) WITH (fillfactor = 50);

CREATE INDEX queue_rates_since ON gosynq.queue_rates (since);

-- How many pending jobs of a queue were not due yet when they were counted last, where it takes long to count them.
CREATE TABLE gosynq.queue_splits (
    queue text PRIMARY KEY,
    not_due bigint,
    counted_at timestamptz NOT NULL DEFAULT statement_timestamp()
);

-- Sums up what the events that a snapshot does not see, and the caller's does, have changed: jobs by queue and status, and what
-- happened in each five seconds. Null: nothing.
--
-- An event leaves a status and enters another one. What it leaves is status_before, or else what its type means; a cancelled or
-- requeued job has a worker where it was being processed, and was pending where it has none.
-- STABLE, so that it reads by the caller's own snapshot: with that one kept, no event is missed and none counted twice.
-- Its settings: without statistics the planner would read all events. The smallest array tells how many jobs there are.
CREATE FUNCTION gosynq.event_deltas(seen pg_snapshot)
RETURNS TABLE (
    queue text, since timestamptz, pending bigint, processing bigint, completed bigint, failed bigint, cancelled bigint,
    enqueued_there bigint, completed_there bigint, failed_there bigint
)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN QUERY
    SELECT
        move.queue, date_bin('5 seconds', event.occurred_at, 'epoch'),
        coalesce(sum(move.jobs) FILTER (WHERE move.status = 'pending'), 0)::bigint,
        coalesce(sum(move.jobs) FILTER (WHERE move.status = 'processing'), 0)::bigint,
        coalesce(sum(move.jobs) FILTER (WHERE move.status = 'completed'), 0)::bigint,
        coalesce(sum(move.jobs) FILTER (WHERE move.status = 'failed'), 0)::bigint,
        coalesce(sum(move.jobs) FILTER (WHERE move.status = 'cancelled'), 0)::bigint,
        coalesce(sum(move.jobs) FILTER (WHERE move.jobs > 0 AND event.type = 'created'), 0)::bigint,
        coalesce(sum(move.jobs) FILTER (WHERE move.jobs > 0 AND event.type = 'succeeded'), 0)::bigint,
        coalesce(sum(move.jobs) FILTER (WHERE move.jobs > 0 AND event.type = 'failed' AND move.status = 'failed'), 0)::bigint
    FROM (
        SELECT
            newer.xid, newer.occurred_at, newer.type, newer.queue, newer.status, newer.worker_id, newer.status_before,
            newer.queue_before, cardinality(newer.priorities)::bigint AS jobs
        FROM gosynq.events AS newer
        WHERE newer.xid >= pg_snapshot_xmax(seen)
        UNION ALL
        SELECT
            late.xid, late.occurred_at, late.type, late.queue, late.status, late.worker_id, late.status_before,
            late.queue_before, cardinality(late.priorities)::bigint
        FROM gosynq.events AS late
        WHERE late.xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen)))
    ) AS event
    CROSS JOIN LATERAL (
        VALUES
        (
            coalesce(event.queue_before, event.queue),
            coalesce(event.status_before, CASE
                WHEN event.type = 'created' THEN NULL
                WHEN event.type = 'started' THEN 'pending'
                WHEN event.type IN ('succeeded', 'failed') THEN 'processing'
                WHEN event.type IN ('cancelled', 'requeued') AND event.worker_id IS NOT NULL THEN 'processing'
                WHEN event.type IN ('cancelled', 'requeued') THEN 'pending'
                ELSE event.status
            END),
            -event.jobs
        ),
        (event.queue, CASE WHEN event.type <> 'deleted' THEN event.status END, event.jobs)
    ) AS move (queue, status, jobs)
    WHERE pg_visible_in_snapshot(event.xid, pg_current_snapshot())
    GROUP BY 1, 2;
END $$;

-- Says how many jobs of each status there are in some queues, or in all (null), as of the caller's snapshot.
CREATE FUNCTION gosynq.queue_totals(queue_names text [])
RETURNS TABLE (
    queue text, pending bigint, processing bigint, completed bigint, failed bigint, cancelled bigint
)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT
        part.queue, sum(part.pending)::bigint, sum(part.processing)::bigint, sum(part.completed)::bigint,
        sum(part.failed)::bigint, sum(part.cancelled)::bigint
    FROM (
        SELECT counted.queue, counted.pending, counted.processing, counted.completed, counted.failed, counted.cancelled
        FROM gosynq.queue_counts AS counted
        UNION ALL
        SELECT delta.queue, delta.pending, delta.processing, delta.completed, delta.failed, delta.cancelled
        FROM gosynq.event_deltas((SELECT counting.snapshot FROM gosynq.queue_counting AS counting)) AS delta
    ) AS part
    WHERE queue_names IS NULL OR part.queue = ANY(queue_names)
    GROUP BY part.queue;
END $$;

-- Counts the events that are not counted yet, where the last time is min_age ago at least; says whether there are counts at
-- all. The row in queue_counting is held meanwhile: of rivals one counts, and the others leave it at that.
--
-- A queue that has jobs and is not there, since they came as it was deleted, is made anew.
CREATE FUNCTION gosynq.count_events(min_age interval) RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    seen pg_snapshot;
BEGIN
    -- From a cluster that was ahead of this one: it came here in a dump.
    DELETE FROM gosynq.queue_counting
    WHERE pg_snapshot_xmax(queue_counting.snapshot) > pg_snapshot_xmax(pg_current_snapshot());
    IF NOT EXISTS (SELECT FROM gosynq.queue_counting) THEN
        RETURN false;
    END IF;
    SELECT counting.snapshot INTO seen
    FROM gosynq.queue_counting AS counting
    WHERE counting.node = 0 AND counting.counted_at <= statement_timestamp() - min_age
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND OR NOT (
        EXISTS (SELECT FROM gosynq.events AS event WHERE event.xid >= pg_snapshot_xmax(seen))
        OR EXISTS (SELECT FROM gosynq.events AS event WHERE event.xid = ANY(ARRAY(SELECT pg_snapshot_xip(seen))))
    ) THEN
        RETURN true;
    END IF;
    WITH delta AS MATERIALIZED (
        SELECT * FROM gosynq.event_deltas(seen)
    ),
    counts AS (
        INSERT INTO gosynq.queue_counts AS counted (queue, pending, processing, completed, failed, cancelled)
        SELECT
            delta.queue, sum(delta.pending), sum(delta.processing), sum(delta.completed), sum(delta.failed),
            sum(delta.cancelled)
        FROM delta
        GROUP BY delta.queue
        ORDER BY delta.queue
        ON CONFLICT (queue) DO UPDATE
        SET
            pending = counted.pending + excluded.pending, processing = counted.processing + excluded.processing,
            completed = counted.completed + excluded.completed, failed = counted.failed + excluded.failed,
            cancelled = counted.cancelled + excluded.cancelled
        RETURNING counted.queue, counted.pending + counted.processing + counted.completed + counted.failed
            + counted.cancelled AS jobs
    ),
    rates AS (
        INSERT INTO gosynq.queue_rates AS rate (queue, since, enqueued, completed, failed)
        SELECT delta.queue, delta.since, delta.enqueued_there, delta.completed_there, delta.failed_there
        FROM delta
        WHERE
            delta.since > statement_timestamp() - interval '2 minutes'
            AND delta.enqueued_there + delta.completed_there + delta.failed_there > 0
        ORDER BY delta.queue, delta.since
        ON CONFLICT (queue, since) DO UPDATE
        SET
            enqueued = rate.enqueued + excluded.enqueued, completed = rate.completed + excluded.completed,
            failed = rate.failed + excluded.failed
    ),
    old AS (
        DELETE FROM gosynq.queue_rates AS rate WHERE rate.since < statement_timestamp() - interval '3 minutes'
    ),
    made AS (
        INSERT INTO gosynq.queues (name)
        SELECT counts.queue
        FROM counts
        WHERE counts.jobs > 0 AND NOT EXISTS (SELECT FROM gosynq.queues WHERE queues.name = counts.queue)
        ON CONFLICT DO NOTHING
    )
    UPDATE gosynq.queue_counting AS counting
    SET snapshot = pg_current_snapshot(), counted_at = statement_timestamp()
    WHERE counting.node = 0;
    RETURN true;
END $$;

-- Names the days of finished jobs that are detached, and wait to be counted.
CREATE FUNCTION gosynq.detached_days() RETURNS SETOF text
LANGUAGE sql
AS $$
    SELECT child.relname::text
    FROM pg_class AS child
    WHERE
        child.relnamespace = 'gosynq'::regnamespace AND child.relname ~ '^finished_[0-9]{8}$' AND child.relkind = 'r'
        AND NOT EXISTS (SELECT FROM pg_inherits AS link WHERE link.inhrelid = child.oid);
$$;

-- Counts all jobs anew. Nobody who changes jobs waits for it: the one statement that counts keeps the snapshot by which it did,
-- and the events that this one does not see are added to its numbers. Only what prunes finished jobs waits; days that are
-- detached already go at once, or they would be taken off later. only_missing: does nothing where there are counts.
CREATE FUNCTION gosynq.recount(only_missing boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    child text;
BEGIN
    LOCK TABLE gosynq.queue_counting, gosynq.queue_counts IN EXCLUSIVE MODE;
    IF only_missing AND EXISTS (SELECT FROM gosynq.queue_counting) THEN
        RETURN;
    END IF;
    FOR child IN SELECT detached.name FROM gosynq.detached_days() AS detached (name) LOOP
        EXECUTE format('DROP TABLE gosynq.%I', child);
    END LOOP;
    DELETE FROM gosynq.queue_counting;
    DELETE FROM gosynq.queue_counts;
    WITH counts AS (
        INSERT INTO gosynq.queue_counts (queue, pending, processing, completed, failed, cancelled)
        SELECT
            job.queue, count(*) FILTER (WHERE job.status = 'pending'), count(*) FILTER (WHERE job.status = 'processing'),
            count(*) FILTER (WHERE job.status = 'completed'), count(*) FILTER (WHERE job.status = 'failed'),
            count(*) FILTER (WHERE job.status = 'cancelled')
        FROM gosynq.jobs AS job
        GROUP BY job.queue
    )
    INSERT INTO gosynq.queue_counting (snapshot) SELECT pg_current_snapshot();
END $$;

-- Takes the partition of one day out of the finished jobs; it stays as a table until it is counted. Does nothing where there is
-- none.
CREATE FUNCTION gosynq.detach_finished(day date) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    child text := format('finished_%s', to_char(day, 'YYYYMMDD'));
BEGIN
    -- Not while jobs are counted anew.
    LOCK TABLE gosynq.queue_counts IN ROW EXCLUSIVE MODE;
    LOCK TABLE ONLY gosynq.finished IN ACCESS EXCLUSIVE MODE;
    IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(format('gosynq.%I', child))) THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER TABLE gosynq.finished DETACH PARTITION gosynq.%I', child);
    RETURN true;
END $$;

-- Counts the jobs in some pages of a detached day.
CREATE FUNCTION gosynq.count_detached(child text, first_page bigint, page_count bigint)
RETURNS TABLE (queue text, status text, jobs bigint)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT job.queue, job.status, count(*) FROM gosynq.%I AS job WHERE job.ctid >= $1 AND job.ctid < $2 GROUP BY 1, 2',
        child
    ) USING format('(%s,0)', first_page)::tid, format('(%s,0)', first_page + page_count)::tid;
EXCEPTION
    -- A rival has counted it.
    WHEN undefined_table THEN
        RETURN;
END $$;

-- Drops a detached day and takes its jobs, which were counted, off the counts. Does nothing where a rival has done it.
CREATE FUNCTION gosynq.drop_detached(child text, names text [], statuses text [], jobs bigint []) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE gosynq.queue_counts IN ROW EXCLUSIVE MODE;
    PERFORM pg_advisory_xact_lock(hashtextextended('gosynq.drop.' || child, 0));
    IF to_regclass(format('gosynq.%I', child)) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE gosynq.%I', child);
    INSERT INTO gosynq.queue_counts AS counted (queue, completed, failed, cancelled)
    SELECT
        dropped.queue, -coalesce(sum(dropped.jobs) FILTER (WHERE dropped.status = 'completed'), 0),
        -coalesce(sum(dropped.jobs) FILTER (WHERE dropped.status = 'failed'), 0),
        -coalesce(sum(dropped.jobs) FILTER (WHERE dropped.status = 'cancelled'), 0)
    FROM unnest(names, statuses, drop_detached.jobs) AS dropped (queue, status, jobs)
    GROUP BY dropped.queue
    ORDER BY dropped.queue
    ON CONFLICT (queue) DO UPDATE
    SET
        completed = counted.completed + excluded.completed, failed = counted.failed + excluded.failed,
        cancelled = counted.cancelled + excluded.cancelled;
    RETURN true;
END $$;

-- Counts the pending jobs of a queue that are not due, up to a bound.
CREATE FUNCTION gosynq.not_due(queue_name text, bound bigint) RETURNS bigint
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (
        SELECT count(*)
        FROM (
            SELECT FROM gosynq.scheduled AS job
            WHERE job.queue = queue_name AND job.rank IS NULL AND job.run_at > statement_timestamp()
            LIMIT bound
        ) AS seen
    );
END $$;

-- Counts the pending jobs of a queue that are due, those that wait for a place of their key among them; null where that takes
-- looking at more than a bound in one of their places.
CREATE FUNCTION gosynq.due(queue_name text, bound bigint) RETURNS bigint
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    in_front bigint;
    behind bigint;
    by_concurrency bigint;
    by_ordering bigint;
    ordered bigint;
BEGIN
    SELECT count(*) INTO in_front
    FROM (SELECT FROM gosynq.ready AS job WHERE job.queue = queue_name LIMIT bound) AS seen;
    SELECT count(*) INTO behind
    FROM (
        SELECT FROM gosynq.scheduled AS job
        WHERE job.queue = queue_name AND job.rank IS NULL AND job.run_at <= statement_timestamp()
        LIMIT bound
    ) AS seen;
    SELECT count(*) INTO by_concurrency
    FROM (
        SELECT FROM gosynq.scheduled AS job
        WHERE job.queue = queue_name AND job.rank IS NOT NULL AND job.concurrency_key IS NOT NULL
        LIMIT bound
    ) AS seen;
    SELECT count(*), count(seen.rank) INTO ordered, by_ordering
    FROM (
        SELECT job.rank FROM gosynq.scheduled AS job
        WHERE job.queue = queue_name AND job.ordering_key IS NOT NULL
        LIMIT bound
    ) AS seen;
    IF greatest(in_front, behind, by_concurrency, ordered) >= bound THEN
        RETURN NULL;
    END IF;
    RETURN in_front + behind + by_concurrency + by_ordering;
END $$;

-- What a caller says of a job, as JobSpec does; null is not said.
CREATE TYPE gosynq.job_spec AS (
    queue text,
    kind text,
    payload jsonb,
    payload_bytes bytea,
    content_type text,
    priority text,
    run_at timestamptz,
    delay interval,
    idempotency_key text,
    max_retries integer,
    max_deliveries integer,
    labels jsonb,
    headers jsonb,
    retry_policy jsonb,
    lease_duration interval,
    attempt_timeout interval,
    expires_at timestamptz,
    retention interval,
    concurrency_key text,
    ordering_key text,
    fairness_key text,
    debounce_key text,
    debounce_mode text
);

-- Raises an error: JQ and the number of its ErrorReason; the detail says the reason and its facts as JSON.
CREATE FUNCTION gosynq.refuse(reason_number integer, reason text, problem text, facts jsonb) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'JQ' || lpad(reason_number::text, 3, '0'),
        MESSAGE = problem,
        DETAIL = jsonb_build_object('reason', reason) || facts,
        SCHEMA = 'gosynq',
        COLUMN = coalesce(facts ->> 'field', '');
END $$;

-- Raises the error of one broken rule.
CREATE FUNCTION gosynq.refuse_field(field text, problem text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM gosynq.refuse(
        1, 'VALIDATION_FAILED', format('%s: %s', field, problem), jsonb_build_object('field', field)
    );
END $$;

-- Says whether a length of time lies within these seconds, and in units that are of one length wherever they begin.
CREATE FUNCTION gosynq.is_length(value interval, shortest integer, longest integer) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT
        extract(EPOCH FROM value) BETWEEN shortest AND longest
        AND extract(YEAR FROM value) = 0 AND extract(MONTH FROM value) = 0;
$$;

-- Says whether a moment can be told on the wire.
CREATE FUNCTION gosynq.is_moment(value timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT value > '0001-01-01 00:00:00+00'::timestamptz AND value < '9999-12-31 23:59:59.999999+00'::timestamptz;
$$;

-- Writes a length of time without days, which in some zones are not all of one length.
CREATE FUNCTION gosynq.without_days(value interval) RETURNS interval
LANGUAGE sql IMMUTABLE
AS $$
    SELECT value - extract(DAY FROM value) * interval '1 day' + extract(DAY FROM value) * interval '24 hours';
$$;

-- Says what is wrong with texts by name; null: nothing.
CREATE FUNCTION gosynq.broken_texts(
    field text, texts jsonb, most_pairs integer, name_pattern text, most_characters integer
)
RETURNS text []
LANGUAGE plpgsql
AS $$
DECLARE
    broken text [];
BEGIN
    IF jsonb_typeof(texts) <> 'object' THEN
        RETURN ARRAY[field, 'must be an object of texts by name'];
    ELSIF (SELECT count(*) FROM jsonb_object_keys(texts)) > most_pairs THEN
        RETURN ARRAY[field, format('must have at most %s pairs', most_pairs)];
    END IF;
    SELECT ARRAY[
        format('%s[''%s'']', field, left(pair.key, 64)),
        CASE
            WHEN pair.key ~ name_pattern THEN format('must be a text of at most %s characters', most_characters)
            ELSE format('its name does not match regex pattern `%s`', name_pattern)
        END
    ]
    INTO broken
    FROM jsonb_each(texts) AS pair
    WHERE
        pair.key !~ name_pattern OR jsonb_typeof(pair.value) <> 'string'
        OR char_length(pair.value #>> '{}') > most_characters
    LIMIT 1;
    RETURN broken;
END $$;

-- Says what is wrong with JSON: it nests deeper than 32, or has a number that is none as a double. Null: nothing.
CREATE FUNCTION gosynq.broken_json(field text, content jsonb) RETURNS text []
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN jsonb_path_exists(content, 'strict $.**{32} ? (@.type() == "object" || @.type() == "array")')
            THEN ARRAY[field, 'must not nest deeper than 32']
        WHEN jsonb_path_exists(
            content,
            'strict $.** ? (@.type() == "number" && (@ > 1.7976931348623158e308 || @ < -1.7976931348623158e308))'
        )
            THEN ARRAY[field, 'must not contain a number beyond those of a double']
    END;
$$;

-- Says what is wrong with bytes that are said to be JSON; null: nothing. jsonb can't have NUL, so another character is in its place.
CREATE FUNCTION gosynq.broken_json_bytes(content bytea) RETURNS text []
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN gosynq.broken_json('payload_bytes', replace(convert_from(content, 'UTF8'), E'\\u0000', E'\\u0001')::jsonb);
EXCEPTION
    WHEN data_exception OR program_limit_exceeded THEN
        RETURN ARRAY['payload_bytes', format('must be JSON: %s', sqlerrm)];
END $$;

-- Says what is wrong with a spec's content; null: nothing.
CREATE FUNCTION gosynq.broken_content(spec gosynq.job_spec) RETURNS text []
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN CASE
        WHEN spec.content_type !~ '^[ -~]{0,127}$'
            THEN ARRAY['content_type', 'does not match regex pattern `^[ -~]{0,127}$`']
        WHEN spec.payload IS NOT NULL AND spec.payload_bytes IS NOT NULL
            THEN ARRAY['payload', 'does not go with payload_bytes']
        WHEN (spec.payload_bytes IS NULL) <> (coalesce(spec.content_type, '') = '')
            THEN ARRAY['content_type', 'goes with payload_bytes, and only with it']
        WHEN spec.content_type = 'application/json' THEN gosynq.broken_json_bytes(spec.payload_bytes)
        WHEN jsonb_typeof(spec.payload) <> 'object' THEN ARRAY['payload', 'must be a JSON object']
        ELSE gosynq.broken_json('payload', spec.payload)
    END;
END $$;

-- Reads a length of time of a retry policy, such as "5s"; null where it is none, or beyond its bounds.
CREATE FUNCTION gosynq.backoff_seconds(said jsonb, longest integer) RETURNS numeric
LANGUAGE plpgsql
AS $$
DECLARE
    length interval;
BEGIN
    length := said #>> '{}';
    RETURN CASE WHEN gosynq.is_length(length, 0, longest) THEN trim_scale(extract(EPOCH FROM length)) END;
EXCEPTION
    WHEN data_exception THEN
        RETURN NULL;
END $$;

-- Says what is wrong with a retry policy; null: nothing.
CREATE FUNCTION gosynq.broken_policy(policy jsonb) RETURNS text []
LANGUAGE plpgsql
AS $$
DECLARE
    broken text [];
BEGIN
    IF jsonb_typeof(policy) <> 'object' THEN
        RETURN ARRAY['retry_policy', 'must be an object'];
    END IF;
    SELECT ARRAY['retry_policy.' || pair.key, rule.problem]
    INTO broken
    FROM jsonb_each(policy) AS pair
    CROSS JOIN LATERAL (
        SELECT CASE pair.key
            WHEN 'strategy' THEN CASE
                WHEN pair.value NOT IN ('"fixed"', '"exponential"') THEN 'must be fixed or exponential'
            END
            WHEN 'initial_backoff' THEN CASE
                WHEN gosynq.backoff_seconds(pair.value, 86400) IS NULL THEN 'must be a length such as 5s, of at most 86400 s'
            END
            WHEN 'max_backoff' THEN CASE
                WHEN gosynq.backoff_seconds(pair.value, 604800) IS NULL THEN 'must be a length such as 5s, of at most 604800 s'
            END
            WHEN 'multiplier' THEN CASE
                WHEN jsonb_typeof(pair.value) <> 'number' OR pair.value NOT BETWEEN '1' AND '10'
                    THEN 'must be a number from 1 to 10'
            END
            WHEN 'jitter' THEN CASE
                WHEN jsonb_typeof(pair.value) <> 'number' OR pair.value NOT BETWEEN '0' AND '1'
                    THEN 'must be a number from 0 to 1'
            END
            ELSE 'is not known; there are strategy, initial_backoff, multiplier, max_backoff and jitter'
        END AS problem
    ) AS rule
    WHERE rule.problem IS NOT NULL
    LIMIT 1;
    RETURN broken;
END $$;

-- Says which rule of job.proto a spec breaks, texts that are not said being empty: the field and what is wrong; null: none. What is
-- null breaks no rule.
CREATE FUNCTION gosynq.broken_rule(spec gosynq.job_spec) RETURNS text []
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN coalesce(CASE
        WHEN spec.queue = '' THEN ARRAY['queue', 'value is required']
        WHEN spec.queue !~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$'
            THEN ARRAY['queue', 'does not match regex pattern `^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`']
        WHEN spec.kind !~ '^([A-Za-z0-9][A-Za-z0-9_./-]{0,127})?$'
            THEN ARRAY['kind', 'does not match regex pattern `^([A-Za-z0-9][A-Za-z0-9_./-]{0,127})?$`']
        WHEN spec.priority NOT IN ('low', 'normal', 'high', 'critical')
            THEN ARRAY['priority', 'must be low, normal, high or critical']
        WHEN spec.max_retries NOT BETWEEN 0 AND 1000 THEN ARRAY['max_retries', 'must be from 0 to 1000']
        WHEN spec.max_deliveries NOT BETWEEN 1 AND 1000 THEN ARRAY['max_deliveries', 'must be from 1 to 1000']
        WHEN spec.run_at IS NOT NULL AND spec.delay IS NOT NULL THEN ARRAY['run_at', 'does not go with delay']
        WHEN NOT gosynq.is_moment(spec.run_at)
            THEN ARRAY['run_at', 'must lie between 0001-01-01T00:00:00.000001Z and 9999-12-31T23:59:59.999998Z']
        WHEN NOT gosynq.is_moment(spec.expires_at)
            THEN ARRAY['expires_at', 'must lie between 0001-01-01T00:00:00.000001Z and 9999-12-31T23:59:59.999998Z']
        WHEN spec.expires_at <= spec.run_at THEN ARRAY['expires_at', 'must be later than run_at']
        WHEN NOT gosynq.is_length(spec.delay, 0, 31536000)
            THEN ARRAY['delay', 'must be from 0 to 365 days, not said in months or years']
        WHEN NOT gosynq.is_length(spec.lease_duration, 1, 43200)
            THEN ARRAY['lease_duration', 'must be from 1 second to 12 hours']
        WHEN NOT gosynq.is_length(spec.attempt_timeout, 1, 604800)
            THEN ARRAY['attempt_timeout', 'must be from 1 second to 7 days']
        WHEN NOT gosynq.is_length(spec.retention, 0, 31536000)
            THEN ARRAY['retention', 'must be from 0 to 365 days, not said in months or years']
        WHEN spec.idempotency_key !~ '^[ -~]{0,255}$'
            THEN ARRAY['idempotency_key', 'does not match regex pattern `^[ -~]{0,255}$`']
        WHEN spec.concurrency_key !~ '^[ -~]{0,255}$'
            THEN ARRAY['concurrency_key', 'does not match regex pattern `^[ -~]{0,255}$`']
        WHEN spec.ordering_key !~ '^[ -~]{0,255}$'
            THEN ARRAY['ordering_key', 'does not match regex pattern `^[ -~]{0,255}$`']
        WHEN spec.fairness_key !~ '^[ -~]{0,255}$'
            THEN ARRAY['fairness_key', 'does not match regex pattern `^[ -~]{0,255}$`']
        WHEN spec.debounce_key !~ '^[ -~]{0,255}$'
            THEN ARRAY['debounce_key', 'does not match regex pattern `^[ -~]{0,255}$`']
        WHEN spec.ordering_key <> '' AND spec.concurrency_key <> ''
            THEN ARRAY['ordering_key', 'does not go with concurrency_key']
        WHEN spec.debounce_key <> '' AND spec.idempotency_key <> ''
            THEN ARRAY['debounce_key', 'does not go with idempotency_key']
        WHEN spec.debounce_mode <> '' AND spec.debounce_key = '' THEN ARRAY['debounce_mode', 'goes with debounce_key only']
        WHEN spec.debounce_mode NOT IN ('', 'keep', 'replace', 'reschedule')
            THEN ARRAY['debounce_mode', 'must be keep, replace or reschedule']
        WHEN spec.labels IS NOT NULL
            THEN gosynq.broken_texts('labels', spec.labels, 32, '^[a-z0-9]([a-z0-9_./-]{0,62}[a-z0-9])?$', 255)
    END, CASE
        WHEN spec.headers IS NOT NULL
            THEN gosynq.broken_texts('headers', spec.headers, 64, '^[a-z0-9_.-]{1,128}$', 4096)
    END, CASE
        WHEN spec.retry_policy IS NOT NULL THEN gosynq.broken_policy(spec.retry_policy)
    END, gosynq.broken_content(spec));
END $$;

-- Returns a spec with all that is not said being empty or null, its content in payload_bytes and content_type, its lengths as they
-- are stored; refused where it breaks a rule of job.proto.
CREATE FUNCTION gosynq.checked_spec(path text, spec gosynq.job_spec) RETURNS gosynq.job_spec
LANGUAGE plpgsql
AS $$
DECLARE
    broken text [];
BEGIN
    spec.queue := coalesce(spec.queue, '');
    spec.kind := coalesce(spec.kind, '');
    spec.idempotency_key := coalesce(spec.idempotency_key, '');
    spec.concurrency_key := coalesce(spec.concurrency_key, '');
    spec.ordering_key := coalesce(spec.ordering_key, '');
    spec.fairness_key := coalesce(spec.fairness_key, '');
    spec.debounce_key := coalesce(spec.debounce_key, '');
    spec.debounce_mode := coalesce(spec.debounce_mode, '');
    spec.priority := nullif(spec.priority, '');
    spec.labels := nullif(nullif(spec.labels, '{}'), 'null');
    spec.headers := nullif(nullif(spec.headers, '{}'), 'null');
    IF spec.retry_policy IS NOT NULL THEN
        spec.retry_policy := nullif(jsonb_strip_nulls(spec.retry_policy), 'null');
    END IF;
    broken := gosynq.broken_rule(spec);
    IF broken IS NOT NULL THEN
        PERFORM gosynq.refuse_field(path || broken[1], broken[2]);
    END IF;
    spec.delay := gosynq.without_days(spec.delay);
    IF spec.retry_policy IS NOT NULL THEN
        spec.retry_policy := gosynq.stored_policy(spec.retry_policy);
    END IF;
    IF spec.payload_bytes IS NULL THEN
        spec.payload := coalesce(spec.payload, '{}');
        spec.payload_bytes := convert_to(gosynq.canonical_json(spec.payload, true), 'UTF8');
        spec.content_type := 'application/json';
    END IF;
    RETURN spec;
END $$;

-- Returns a retry policy as it is stored: lengths in seconds.
CREATE FUNCTION gosynq.stored_policy(policy jsonb) RETURNS jsonb
LANGUAGE sql
AS $$
    SELECT policy || jsonb_strip_nulls(jsonb_build_object(
        'initial_backoff', gosynq.backoff_seconds(policy -> 'initial_backoff', 86400),
        'max_backoff', gosynq.backoff_seconds(policy -> 'max_backoff', 604800)
    ));
$$;

-- Writes a double as the server does. Here and in what calls it extra_float_digits is 1: the fewest digits that tell it apart.
CREATE FUNCTION gosynq.double_text(value double precision) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN value = 0 THEN '0.0'
        WHEN abs(value) >= 1e16 OR abs(value) < 1e-5 THEN regexp_replace(value::text, 'e([+-])0*', E'e\\1')
        WHEN value = trunc(value) THEN value::text::numeric::text || '.0'
        ELSE trim_scale(value::text::numeric)::text
    END;
$$;

-- Writes a JSON number as the server does. Of a struct, whole numbers have no point, and what a double can't hold is written in
-- full; of bytes, whatever is not an integer there was read as a double.
CREATE FUNCTION gosynq.number_text(value numeric, is_struct boolean) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    IF is_struct AND value = trunc(value) AND abs(value) < 1e20 THEN
        RETURN trunc(value)::text;
    ELSIF NOT is_struct AND scale(value) = 0 AND abs(value) < 1e18 THEN
        RETURN value::text;
    ELSIF abs(value) < 2.5e-324 THEN
        RETURN '0.0';
    ELSIF is_struct AND (value::double precision)::text::numeric <> value THEN
        RETURN trim_scale(value)::text;
    END IF;
    RETURN gosynq.double_text(value::double precision);
END $$;

-- Writes JSON with sorted keys and no spaces, as the server does.
CREATE FUNCTION gosynq.canonical_json(content jsonb, is_struct boolean) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    form text := jsonb_typeof(content);
    written text;
BEGIN
    IF form = 'number' THEN
        RETURN gosynq.number_text(content::numeric, is_struct);
    ELSIF form = 'object' THEN
        SELECT string_agg(
            to_jsonb(pair.key)::text || ':' || CASE jsonb_typeof(pair.value)
                WHEN 'string' THEN pair.value::text
                ELSE gosynq.canonical_json(pair.value, is_struct)
            END,
            ',' ORDER BY pair.key COLLATE "C"
        )
        INTO written
        FROM jsonb_each(content) AS pair;
        RETURN '{' || coalesce(written, '') || '}';
    ELSIF form = 'array' THEN
        SELECT string_agg(
            CASE jsonb_typeof(item.value)
                WHEN 'string' THEN item.value::text
                ELSE gosynq.canonical_json(item.value, is_struct)
            END,
            ',' ORDER BY item.place
        )
        INTO written
        FROM jsonb_array_elements(content) WITH ORDINALITY AS item (value, place);
        RETURN '[' || coalesce(written, '') || ']';
    END IF;
    RETURN content::text;
END $$;

-- Returns a number of JSON, or null, as the text that the fingerprint has of it.
CREATE FUNCTION gosynq.microseconds_text(seconds numeric) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT coalesce(trunc(seconds * 1000000)::text, 'null');
$$;

-- Returns what must be the same for two enqueues under one key to mean one job: what domain/fingerprint.py makes of a checked spec.
CREATE FUNCTION gosynq.fingerprint(spec gosynq.job_spec) RETURNS bytea
LANGUAGE plpgsql
AS $$
DECLARE
    policy jsonb := spec.retry_policy;
    settings text := concat_ws(
        ',',
        to_json(spec.queue), to_json(spec.kind), to_json(spec.content_type),
        coalesce(array_position('{low,normal,high,critical}', spec.priority)::text, 'null'),
        coalesce(spec.max_retries::text, 'null'), coalesce(spec.max_deliveries::text, 'null'),
        gosynq.microseconds_text(extract(EPOCH FROM spec.run_at)), gosynq.microseconds_text(extract(EPOCH FROM spec.delay)),
        gosynq.canonical_json(coalesce(spec.labels, '{}'), true),
        CASE WHEN policy IS NULL THEN 'null' ELSE format(
            '[%s,%s,%s,%s,%s]', coalesce(policy -> 'strategy', 'null'),
            gosynq.microseconds_text((policy ->> 'initial_backoff')::numeric),
            coalesce(gosynq.double_text((policy ->> 'multiplier')::double precision), 'null'),
            gosynq.microseconds_text((policy ->> 'max_backoff')::numeric),
            coalesce(gosynq.double_text((policy ->> 'jitter')::double precision), 'null')
        ) END,
        gosynq.microseconds_text(extract(EPOCH FROM spec.lease_duration)),
        gosynq.microseconds_text(extract(EPOCH FROM spec.attempt_timeout)),
        gosynq.microseconds_text(extract(EPOCH FROM spec.expires_at)),
        CASE
            WHEN spec.concurrency_key || spec.ordering_key || spec.fairness_key <> ''
                THEN to_json(ARRAY[spec.concurrency_key, spec.ordering_key, spec.fairness_key])
        END
    );
BEGIN
    RETURN sha256(convert_to(format('[%s]', settings), 'UTF8') || gosynq.canonical_content(spec));
END $$;

-- Returns a spec's content as its fingerprint has it: bytes as they are, but JSON in its canonical form where it has one here.
CREATE FUNCTION gosynq.canonical_content(spec gosynq.job_spec) RETURNS bytea
LANGUAGE plpgsql
AS $$
DECLARE
    content text;
BEGIN
    IF spec.payload IS NOT NULL OR spec.content_type <> 'application/json' THEN
        RETURN spec.payload_bytes;
    END IF;
    content := convert_from(spec.payload_bytes, 'UTF8');
    IF content ~ '[0-9]{19}' OR strpos(content, E'\\u0000') > 0 THEN
        RETURN spec.payload_bytes;
    END IF;
    RETURN convert_to(gosynq.canonical_json(content::jsonb, false), 'UTF8');
END $$;

-- Returns an id for a new job: a UUID of version 7 that rises within a session from microsecond to microsecond.
CREATE FUNCTION gosynq.new_job_id() RETURNS uuid
LANGUAGE plpgsql
AS $$
DECLARE
    microseconds bigint := extract(EPOCH FROM clock_timestamp()) * 1000000;
BEGIN
    -- The bytes behind the moment are those of a random UUID, its variant among them.
    RETURN encode(
        substring(int8send(microseconds / 1000) FROM 3)
        || substring(int4send((28672 + microseconds % 1000 * 4096 / 1000)::integer) FROM 3)
        || substring(uuid_send(gen_random_uuid()) FROM 9),
        'hex'
    )::uuid;
END $$;

-- The queue's settings; it is made where there is none of that name.
CREATE FUNCTION gosynq.queue_made(queue_name text) RETURNS gosynq.queues
LANGUAGE plpgsql
AS $$
DECLARE
    settings gosynq.queues;
BEGIN
    LOOP
        SELECT * INTO settings FROM gosynq.queues WHERE name = queue_name;
        IF FOUND THEN
            RETURN settings;
        END IF;
        INSERT INTO gosynq.queues (name) VALUES (queue_name) ON CONFLICT (name) DO NOTHING;
    END LOOP;
END $$;

-- Returns the job that a key of a queue holds, or null; refused where the job has another fingerprint. A key that is held no more
-- is freed.
CREATE FUNCTION gosynq.job_of_key(queue_name text, wanted_key text, wanted_fingerprint bytea) RETURNS uuid
LANGUAGE plpgsql
AS $$
DECLARE
    found_id uuid;
    found_fingerprint bytea;
    is_held boolean;
BEGIN
    SELECT
        named.job_id, named.fingerprint,
        EXISTS (
            SELECT FROM gosynq.jobs AS job
            WHERE
                job.id = named.job_id AND job.queue = queue_name
                AND (
                    job.finished_at IS NULL
                    OR job.finished_at + gosynq.idempotency_window() > statement_timestamp()
                )
        )
    INTO found_id, found_fingerprint, is_held
    FROM gosynq.idempotency_keys AS named
    WHERE named.queue = queue_name AND named.key = wanted_key;
    IF is_held AND found_fingerprint <> wanted_fingerprint THEN
        PERFORM gosynq.refuse(
            30, 'IDEMPOTENCY_KEY_REUSED',
            format('The idempotency key names job %s of queue %s, which has another spec.', found_id, queue_name),
            jsonb_build_object('job_id', found_id, 'queue', queue_name)
        );
    ELSIF is_held THEN
        RETURN found_id;
    ELSIF found_id IS NOT NULL THEN
        DELETE FROM gosynq.idempotency_keys AS held
        WHERE held.queue = queue_name AND held.key = wanted_key AND held.job_id = found_id;
    END IF;
    RETURN NULL;
END $$;

-- What holds where a queue does not say otherwise: the server's defaults. Where servers are told other ones, the database is told
-- them as well (ALTER DATABASE ... SET gosynq.max_payload_bytes = ...).
CREATE FUNCTION gosynq.max_payload_bytes() RETURNS integer
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(nullif(current_setting('gosynq.max_payload_bytes', true), ''), '262144')::integer;
$$;

-- How long an idempotency key is held beyond its job's end; as before.
CREATE FUNCTION gosynq.idempotency_window() RETURNS interval
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(nullif(current_setting('gosynq.idempotency_window', true), ''), '24 hours')::interval;
$$;

-- Tells the servers of a queue that has a new job: hints, sent with the caller's commit and once for what is the same.
CREATE FUNCTION gosynq.tell_servers(queue_name text, noun text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    told jsonb := '{"from": "", "ready": [], "scheduled": [], "held": [], "cancels": []}';
BEGIN
    PERFORM pg_notify('gosynq', (told || jsonb_build_object(noun, jsonb_build_array(queue_name)))::text);
END $$;

-- Adds a job, its key being its own already, to the stage that its start means; says which wake-up that is. See jobs_insert.sql.
CREATE FUNCTION gosynq.insert_job(new_id uuid, spec gosynq.job_spec, priority_number smallint) RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    content bytea := CASE WHEN octet_length(spec.payload_bytes) <= 1024 THEN spec.payload_bytes END;
    starts_at timestamptz := coalesce(spec.run_at, statement_timestamp() + coalesce(spec.delay, '0'));
    due_rank timestamptz;
    waits_for_key boolean := spec.concurrency_key <> '' OR spec.ordering_key <> '';
BEGIN
    IF starts_at <= statement_timestamp() THEN
        due_rank := statement_timestamp() - (priority_number - 1) * gosynq.ageing(spec.queue);
    END IF;
    IF due_rank IS NULL OR waits_for_key THEN
        INSERT INTO gosynq.scheduled (
            id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
            max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, retry_policy, labels,
            headers, content_type, payload, concurrency_key, ordering_key, fairness_key, rank
        )
        VALUES (
            new_id, spec.queue, spec.kind, priority_number, statement_timestamp(), starts_at, 1, 0, 0, 0, spec.expires_at,
            spec.max_retries, spec.max_deliveries, spec.lease_duration, spec.attempt_timeout, spec.retention,
            nullif(spec.idempotency_key, ''), spec.retry_policy, spec.labels, spec.headers, spec.content_type, content,
            nullif(spec.concurrency_key, ''), nullif(spec.ordering_key, ''), spec.fairness_key, due_rank
        );
    ELSE
        INSERT INTO gosynq.ready (
            id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
            max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, retry_policy, labels,
            headers, content_type, payload, fairness_key, rank, ready_at
        )
        VALUES (
            new_id, spec.queue, spec.kind, priority_number, statement_timestamp(), starts_at, 1, 0, 0, 0, spec.expires_at,
            spec.max_retries, spec.max_deliveries, spec.lease_duration, spec.attempt_timeout, spec.retention,
            nullif(spec.idempotency_key, ''), spec.retry_policy, spec.labels, spec.headers, spec.content_type, content,
            spec.fairness_key, due_rank, statement_timestamp()
        );
    END IF;
    IF content IS NULL THEN
        INSERT INTO gosynq.payloads (job_id, queue, data) VALUES (new_id, spec.queue, spec.payload_bytes);
    END IF;
    INSERT INTO gosynq.events (
        type, queue, status, job_ids, kinds, priorities, attempts, revisions, labels
    )
    VALUES (
        'created', spec.queue, 'pending', ARRAY[new_id], ARRAY[spec.kind], ARRAY[priority_number], '{0}', '{1}',
        ARRAY[spec.labels]
    );
    RETURN CASE WHEN due_rank IS NULL THEN 'scheduled' WHEN waits_for_key THEN 'held' ELSE 'ready' END;
END $$;

-- Writes the event of a waiting job that got another start. The time zone is UTC here.
CREATE FUNCTION gosynq.note_requeued(job gosynq.scheduled) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO gosynq.events (
        type, queue, status, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    VALUES (
        'requeued', job.queue, 'pending', ARRAY[job.id], ARRAY[job.kind], ARRAY[job.priority],
        ARRAY[job.failures + job.deliveries], ARRAY[job.revision], ARRAY[job.labels],
        ARRAY[jsonb_build_object('next_run_at', job.run_at)]
    );
END $$;

-- Gives a job that waits for its first lease a new spec, its start included; false where it has moved on. See jobs_replace.sql.
CREATE FUNCTION gosynq.replace_job(waiting_id uuid, spec gosynq.job_spec, priority_number smallint) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    job gosynq.scheduled;
    gone record;
BEGIN
    DELETE FROM gosynq.scheduled AS old
    WHERE old.queue = spec.queue AND old.id = waiting_id AND old.lease_seq = 0
    RETURNING old.created_at, old.revision, old.schedule_id INTO gone;
    IF NOT FOUND THEN
        DELETE FROM gosynq.ready AS old
        WHERE old.queue = spec.queue AND old.id = waiting_id AND old.lease_seq = 0
        RETURNING old.created_at, old.revision, old.schedule_id INTO gone;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
    END IF;
    INSERT INTO gosynq.scheduled (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, schedule_id, retry_policy, labels,
        headers, content_type, payload, concurrency_key, ordering_key, fairness_key
    )
    VALUES (
        waiting_id, spec.queue, spec.kind, priority_number, gone.created_at,
        coalesce(spec.run_at, statement_timestamp() + coalesce(spec.delay, '0')), gone.revision + 1, 0, 0, 0,
        spec.expires_at, spec.max_retries, spec.max_deliveries, spec.lease_duration, spec.attempt_timeout, spec.retention,
        gone.schedule_id, spec.retry_policy, spec.labels, spec.headers, spec.content_type,
        CASE WHEN octet_length(spec.payload_bytes) <= 1024 THEN spec.payload_bytes END,
        nullif(spec.concurrency_key, ''), nullif(spec.ordering_key, ''), spec.fairness_key
    )
    RETURNING * INTO job;
    DELETE FROM gosynq.payloads AS stored WHERE stored.queue = spec.queue AND stored.job_id = waiting_id;
    IF job.payload IS NULL THEN
        INSERT INTO gosynq.payloads (job_id, queue, data) VALUES (waiting_id, spec.queue, spec.payload_bytes);
    END IF;
    PERFORM gosynq.note_requeued(job);
    RETURN true;
END $$;

-- Gives a job that waits for its first lease another start, null being now; false where it has moved on. See
-- jobs_reschedule_scheduled.sql and jobs_reschedule_ready.sql.
CREATE FUNCTION gosynq.reschedule_job(queue_name text, waiting_id uuid, starts_at timestamptz) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    job gosynq.scheduled;
BEGIN
    UPDATE gosynq.scheduled AS moved
    SET
        run_at = coalesce(starts_at, statement_timestamp()), revision = moved.revision + 1,
        rank = CASE WHEN coalesce(starts_at, statement_timestamp()) <= statement_timestamp() THEN moved.rank END,
        updated_at = statement_timestamp()
    WHERE moved.queue = queue_name AND moved.id = waiting_id AND moved.lease_seq = 0
    RETURNING moved.* INTO job;
    IF FOUND THEN
        PERFORM gosynq.note_requeued(job);
        RETURN true;
    ELSIF starts_at IS NULL OR starts_at <= statement_timestamp() THEN
        PERFORM FROM gosynq.ready AS front
        WHERE front.queue = queue_name AND front.id = waiting_id AND front.lease_seq = 0
        FOR UPDATE;
        RETURN FOUND;
    END IF;
    WITH gone AS (
        DELETE FROM gosynq.ready AS front
        WHERE front.queue = queue_name AND front.id = waiting_id AND front.lease_seq = 0
        RETURNING front.*
    )
    INSERT INTO gosynq.scheduled AS moved (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, schedule_id,
        retry_policy, labels, headers, content_type, payload, concurrency_key, ordering_key, fairness_key
    )
    SELECT
        gone.id, gone.queue, gone.kind, gone.priority, gone.created_at, starts_at, gone.revision + 1,
        gone.lease_seq, gone.failures, gone.deliveries, gone.expires_at, gone.max_retries, gone.max_deliveries,
        gone.lease_duration, gone.attempt_timeout, gone.retention, gone.idempotency_key, gone.schedule_id,
        gone.retry_policy, gone.labels, gone.headers, gone.content_type, gone.payload,
        gone.concurrency_key, gone.ordering_key, gone.fairness_key
    FROM gone
    RETURNING moved.* INTO job;
    IF FOUND THEN
        PERFORM gosynq.note_requeued(job);
        RETURN true;
    END IF;
    RETURN false;
END $$;

-- Refuses since others moved the same rows too fast.
CREATE FUNCTION gosynq.refuse_busy() RETURNS void
LANGUAGE sql
AS $$
    SELECT gosynq.refuse(
        81, 'DATABASE_UNAVAILABLE', 'The database did not get to it in time; nothing was done.', '{}'
    );
$$;

-- Does with the job that waits under a debounce key what the spec says, and returns it; null where none waits, the new job having
-- the key then. The key's row is held until commit.
CREATE FUNCTION gosynq.settle_debounced(new_id uuid, spec gosynq.job_spec, priority_number smallint) RETURNS uuid
LANGUAGE plpgsql
AS $$
DECLARE
    named uuid;
    is_done boolean;
BEGIN
    INSERT INTO gosynq.debounce_keys AS held (queue, key, job_id, check_at)
    VALUES (spec.queue, spec.debounce_key, new_id, statement_timestamp() + interval '1 minute')
    ON CONFLICT (queue, key) DO UPDATE SET job_id = held.job_id
    RETURNING held.job_id INTO named;
    IF named = new_id THEN
        RETURN NULL;
    END IF;
    FOR try IN 1..20 LOOP
        PERFORM FROM gosynq.scheduled AS job WHERE job.id = named AND job.queue = spec.queue AND job.lease_seq = 0
        UNION ALL
        SELECT FROM gosynq.ready AS job WHERE job.id = named AND job.queue = spec.queue AND job.lease_seq = 0;
        IF NOT FOUND THEN
            UPDATE gosynq.debounce_keys AS held
            SET job_id = new_id, check_at = statement_timestamp() + interval '1 minute'
            WHERE held.queue = spec.queue AND held.key = spec.debounce_key;
            RETURN NULL;
        END IF;
        is_done := CASE spec.debounce_mode
            WHEN 'replace' THEN gosynq.replace_job(named, spec, priority_number)
            WHEN 'reschedule'
                THEN gosynq.reschedule_job(spec.queue, named, coalesce(spec.run_at, statement_timestamp() + spec.delay))
            ELSE true
        END;
        IF is_done THEN
            RETURN named;
        END IF;
    END LOOP;
    PERFORM gosynq.refuse_busy();
END $$;

-- Refuses what a queue does not take: it is being deleted, or the payload is too large.
CREATE FUNCTION gosynq.check_against_queue(settings gosynq.queues, spec gosynq.job_spec) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    size integer := octet_length(spec.payload_bytes);
    size_limit integer := coalesce(settings.max_payload_bytes, gosynq.max_payload_bytes());
BEGIN
    IF settings.is_deleting THEN
        PERFORM gosynq.refuse(
            45, 'QUEUE_DELETING', format('Queue %s is being deleted.', settings.name),
            jsonb_build_object('queue', settings.name)
        );
    END IF;
    IF size > size_limit THEN
        PERFORM gosynq.refuse(
            2, 'PAYLOAD_TOO_LARGE', format('The payload has %s bytes; the limit is %s.', size, size_limit),
            jsonb_build_object('size', size::text, 'limit', size_limit::text)
        );
    END IF;
END $$;

-- Refuses a new job where its queue takes none: it is draining.
CREATE FUNCTION gosynq.check_takes_jobs(settings gosynq.queues) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF settings.state = 'draining' THEN
        PERFORM gosynq.refuse(
            43, 'QUEUE_DRAINING', format('Queue %s is draining and takes no new jobs.', settings.name),
            jsonb_build_object('queue', settings.name)
        );
    END IF;
END $$;

-- Takes the room of one new job in a queue that has a max_pending; refused where there is none.
CREATE FUNCTION gosynq.take_place(settings gosynq.queues) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF settings.max_pending IS NOT NULL AND gosynq.take_room(settings.name, 1) < 1 THEN
        PERFORM gosynq.refuse(
            60, 'QUEUE_FULL',
            format('Queue %s has %s pending jobs and takes no more.', settings.name, settings.max_pending),
            jsonb_build_object('queue', settings.name, 'limit', settings.max_pending::text)
        );
    END IF;
END $$;

-- Adds a job, or finds the one that its key names. The path is what errors name the spec by, with a dot, or empty.
--
-- Its settings: numbers and moments are written as the server writes them, whatever the caller's
-- session says; no statement gains by being planned anew.
CREATE FUNCTION gosynq.add_job(
    path text, new_id uuid, said gosynq.job_spec, wake boolean, OUT job_id uuid, OUT deduplicated boolean
)
LANGUAGE plpgsql
SET extra_float_digits = 1
SET timezone = 'UTC'
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    spec gosynq.job_spec := gosynq.checked_spec(path, said);
    settings gosynq.queues := gosynq.queue_made(spec.queue);
    priority_number smallint := coalesce(
        array_position('{low,normal,high,critical}', spec.priority), settings.priority, 2
    );
    digest bytea;
    noun text := 'scheduled';
BEGIN
    PERFORM gosynq.check_against_queue(settings, spec);
    IF spec.idempotency_key <> '' THEN
        digest := gosynq.fingerprint(spec);
        job_id := gosynq.job_of_key(spec.queue, spec.idempotency_key, digest);
    END IF;
    IF job_id IS NULL THEN
        PERFORM gosynq.check_takes_jobs(settings);
    END IF;
    IF spec.debounce_key <> '' THEN
        job_id := gosynq.settle_debounced(new_id, spec, priority_number);
    END IF;
    IF job_id IS NULL THEN
        PERFORM gosynq.take_place(settings);
    END IF;
    IF job_id IS NULL AND spec.idempotency_key <> '' THEN
        job_id := gosynq.take_key(new_id, spec, digest);
    END IF;
    deduplicated := job_id IS NOT NULL;
    IF NOT deduplicated THEN
        job_id := new_id;
        noun := gosynq.insert_job(new_id, spec, priority_number);
    END IF;
    IF wake AND (NOT deduplicated OR spec.debounce_mode IN ('replace', 'reschedule')) THEN
        PERFORM gosynq.tell_servers(spec.queue, noun);
    END IF;
END $$;

-- Gives a key to a new job, or returns the job that has it by now; rivals with the key wait for one another's commit.
CREATE FUNCTION gosynq.take_key(new_id uuid, spec gosynq.job_spec, digest bytea) RETURNS uuid
LANGUAGE plpgsql
AS $$
DECLARE
    found_id uuid;
BEGIN
    FOR try IN 1..5 LOOP
        INSERT INTO gosynq.idempotency_keys (queue, key, fingerprint, job_id, check_at)
        VALUES (spec.queue, spec.idempotency_key, digest, new_id, statement_timestamp() + gosynq.idempotency_window())
        ON CONFLICT (queue, key) DO NOTHING;
        IF FOUND THEN
            RETURN NULL;
        END IF;
        -- A statement of its own: only a new snapshot shows what a rival has just committed.
        found_id := gosynq.job_of_key(spec.queue, spec.idempotency_key, digest);
        IF found_id IS NOT NULL THEN
            RETURN found_id;
        END IF;
    END LOOP;
    PERFORM gosynq.refuse_busy();
END $$;

-- Adds one job in the caller's transaction: there at its commit, gone with its rollback. See docs/sql.md; what each argument means
-- and may be is told in job.proto.
CREATE FUNCTION gosynq.enqueue(
    queue text,
    kind text DEFAULT '',
    payload jsonb DEFAULT NULL,
    payload_bytes bytea DEFAULT NULL,
    content_type text DEFAULT '',
    priority text DEFAULT NULL,
    run_at timestamptz DEFAULT NULL,
    delay interval DEFAULT NULL,
    idempotency_key text DEFAULT '',
    max_retries integer DEFAULT NULL,
    max_deliveries integer DEFAULT NULL,
    labels jsonb DEFAULT NULL,
    headers jsonb DEFAULT NULL,
    retry_policy jsonb DEFAULT NULL,
    lease_duration interval DEFAULT NULL,
    attempt_timeout interval DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL,
    retention interval DEFAULT NULL,
    concurrency_key text DEFAULT '',
    ordering_key text DEFAULT '',
    fairness_key text DEFAULT '',
    debounce_key text DEFAULT '',
    debounce_mode text DEFAULT NULL,
    wake boolean DEFAULT true,
    OUT job_id uuid,
    OUT deduplicated boolean
)
LANGUAGE plpgsql
AS $$
BEGIN
    SELECT added.job_id, added.deduplicated INTO job_id, deduplicated
    FROM gosynq.add_job('', gosynq.new_job_id(), ROW(
        queue, kind, payload, payload_bytes, content_type, priority, run_at, delay, idempotency_key, max_retries,
        max_deliveries, labels, headers, retry_policy, lease_duration, attempt_timeout, expires_at, retention,
        concurrency_key, ordering_key, fairness_key, debounce_key, debounce_mode
    )::gosynq.job_spec, wake) AS added;
END $$;

-- Reads one spec of a list: an object whose names are the arguments of gosynq.enqueue, payload_bytes in base64.
CREATE FUNCTION gosynq.spec_of_json(path text, item jsonb) RETURNS gosynq.job_spec
LANGUAGE plpgsql
AS $$
DECLARE
    known jsonb := to_jsonb(jsonb_populate_record(NULL::gosynq.job_spec, '{}'));
    unknown text;
BEGIN
    IF jsonb_typeof(item) <> 'object' THEN
        PERFORM gosynq.refuse_field(path, 'must be an object');
    END IF;
    SELECT min(given.name) INTO unknown FROM jsonb_object_keys(item) AS given (name) WHERE NOT known ? given.name;
    IF unknown IS NOT NULL THEN
        PERFORM gosynq.refuse_field(format('%s.%s', path, unknown), 'is not known');
    END IF;
    IF jsonb_typeof(item -> 'payload_bytes') = 'string' THEN
        item := item || jsonb_build_object('payload_bytes', decode(item ->> 'payload_bytes', 'base64')::text);
    END IF;
    RETURN jsonb_populate_record(NULL::gosynq.job_spec, item);
EXCEPTION
    WHEN data_exception THEN
        PERFORM gosynq.refuse_field(path, sqlerrm);
END $$;

-- Adds the jobs of a list of specs, all or none, and answers in its order. Errors name what is wrong as jobs[17].queue.
--
-- Ids rise in the list's order. Rows are locked in the order of the keys, so that rival lists wait for one another and never in a
-- circle.
CREATE FUNCTION gosynq.enqueue_many(jobs jsonb, wake boolean DEFAULT true)
RETURNS TABLE (job_id uuid, deduplicated boolean)
LANGUAGE plpgsql
AS $$
DECLARE
    ids uuid [];
BEGIN
    IF jsonb_typeof(jobs) IS DISTINCT FROM 'array' THEN
        PERFORM gosynq.refuse_field('jobs', 'must be a list of objects');
    END IF;
    ids := ARRAY(SELECT gosynq.new_job_id() FROM generate_series(1, jsonb_array_length(jobs)) ORDER BY 1);
    RETURN QUERY
    WITH given AS MATERIALIZED (
        SELECT item.place, gosynq.spec_of_json(format('jobs[%s]', item.place - 1), item.said) AS spec
        FROM jsonb_array_elements(jobs) WITH ORDINALITY AS item (said, place)
    ),
    sorted AS MATERIALIZED (
        SELECT given.place, given.spec
        FROM given
        ORDER BY
            (given.spec).queue COLLATE "C", nullif((given.spec).debounce_key, '') COLLATE "C",
            nullif((given.spec).idempotency_key, '') COLLATE "C", given.place
    ),
    added AS MATERIALIZED (
        SELECT sorted.place, job.job_id, job.deduplicated
        FROM sorted
        CROSS JOIN LATERAL gosynq.add_job(
            format('jobs[%s].', sorted.place - 1), ids[sorted.place], sorted.spec, wake
        ) AS job
    )
    SELECT added.job_id, added.deduplicated FROM added ORDER BY added.place;
END $$;

-- A database without jobs needs no counting; in another one a server counts, while work goes on.
INSERT INTO gosynq.queue_counting (snapshot)
SELECT pg_current_snapshot() WHERE NOT EXISTS (SELECT FROM gosynq.jobs);
