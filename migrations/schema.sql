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
    updated_at timestamptz NOT NULL DEFAULT statement_timestamp()
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

CREATE INDEX scheduled_due ON gosynq.scheduled (queue, run_at, id);
CREATE INDEX scheduled_expiry ON gosynq.scheduled (expires_at) WHERE expires_at IS NOT NULL;

-- Due. ready_at is set by the database when the job becomes due, never by a caller.
CREATE TABLE gosynq.ready (
    LIKE gosynq.scheduled INCLUDING CONSTRAINTS,
    ready_at timestamptz NOT NULL,
    PRIMARY KEY (id, queue)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX ready_order ON gosynq.ready (queue, priority DESC, ready_at, id);
CREATE INDEX ready_kind ON gosynq.ready (queue, kind, priority DESC, ready_at, id);
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
CREATE TABLE gosynq.finished_other PARTITION OF gosynq.finished DEFAULT;

-- The last change of a scheduled job: its coming there, or another start since. The other stages, made like this one before
-- it had this, know it by ready_at; by leased_at, cancel_requested_at and progress; by finished_at.
ALTER TABLE gosynq.scheduled ADD COLUMN updated_at timestamptz NOT NULL DEFAULT statement_timestamp();

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

-- Every job, with the status that its stage means.
CREATE VIEW gosynq.jobs AS
SELECT
    id, queue, kind, 'pending' AS status, 'scheduled' AS stage, priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    NULL::text AS worker_id, NULL::timestamptz AS started_at, NULL::timestamptz AS finished_at,
    NULL::timestamptz AS lease_expires_at, NULL::timestamptz AS cancel_requested_at, NULL::text AS cancel_reason,
    NULL::jsonb AS progress, NULL::text AS result_content_type, NULL::bytea AS result, updated_at
FROM gosynq.scheduled
UNION ALL
SELECT
    id, queue, kind, 'pending', 'ready', priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ready_at
FROM gosynq.ready
UNION ALL
SELECT
    id, queue, kind, 'processing', 'running', priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    worker_id, leased_at, NULL, lease_expires_at, cancel_requested_at, cancel_reason, progress, NULL, NULL,
    greatest(leased_at, cancel_requested_at, (progress ->> 'updated_at')::timestamptz)
FROM gosynq.running
UNION ALL
SELECT
    id, queue, kind, status, 'finished', priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    worker_id, started_at, finished_at, NULL, cancel_requested_at, cancel_reason, progress, result_content_type, result,
    finished_at
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

-- The way through the queue. Settings as ever: the index gives the order.
CREATE FUNCTION gosynq.lock_ready_in_order(queue_name text, wanted_kinds text [], wanted bigint) RETURNS SETOF tid
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
        job.queue = queue_name AND (wanted_kinds IS NULL OR job.kind = ANY(wanted_kinds))
        AND (job.expires_at IS NULL OR job.expires_at > statement_timestamp())
    ORDER BY job.priority DESC, job.ready_at, job.id
    LIMIT wanted
    FOR UPDATE OF job SKIP LOCKED;
END $$;

-- The way kind by kind.
CREATE FUNCTION gosynq.lock_ready_by_kind(queue_name text, wanted_kinds text [], wanted bigint) RETURNS SETOF tid
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
        SELECT job.ctid AS place, job.priority, job.ready_at, job.id
        FROM gosynq.ready AS job
        WHERE
            job.queue = queue_name AND job.kind = wanted_kind.kind
            AND (job.expires_at IS NULL OR job.expires_at > statement_timestamp())
        ORDER BY job.priority DESC, job.ready_at, job.id
        LIMIT wanted
        FOR UPDATE OF job SKIP LOCKED
    ) AS picked
    ORDER BY picked.priority DESC, picked.ready_at, picked.id
    LIMIT wanted;
END $$;

-- Locks the next ready jobs of a queue, of some kinds or of all (null), in the order in which they are to be leased; returns
-- their places.
--
-- The head of the queue tells which way is short: through the queue, where at least half of what is there is wanted, or kind
-- by kind, which locks up to so many of each and lets go of the rest when the statement ends.
-- A function for its settings, as before.
CREATE FUNCTION gosynq.lock_ready(queue_name text, wanted_kinds text [], wanted bigint) RETURNS SETOF tid
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    seen bigint := 0;
    fitting bigint := 0;
BEGIN
    IF EXISTS (SELECT FROM gosynq.queues WHERE name = queue_name AND state = 'paused') THEN
        RETURN;
    END IF;
    IF wanted_kinds IS NOT NULL THEN
        SELECT count(*), count(*) FILTER (WHERE head.kind = ANY(wanted_kinds))
        INTO seen, fitting
        FROM (
            SELECT job.kind
            FROM gosynq.ready AS job
            WHERE job.queue = queue_name
            ORDER BY job.priority DESC, job.ready_at, job.id
            LIMIT 64
        ) AS head;
    END IF;
    IF fitting * 2 >= seen THEN
        RETURN QUERY SELECT * FROM gosynq.lock_ready_in_order(queue_name, wanted_kinds, wanted);
    ELSE
        RETURN QUERY SELECT * FROM gosynq.lock_ready_by_kind(queue_name, wanted_kinds, wanted);
    END IF;
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

-- Locks the scheduled jobs of a queue that are due, the earliest first; returns their places. Its settings as above.
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
    WHERE job.queue = queue_name AND job.run_at <= statement_timestamp()
    ORDER BY job.run_at, job.id
    LIMIT wanted
    FOR UPDATE OF job SKIP LOCKED;
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

-- Begins a new order of events; those of the old one go, since no tick of here tells them from what is to come.
CREATE FUNCTION gosynq.begin_history() RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    LOCK TABLE gosynq.ticks IN ACCESS EXCLUSIVE MODE;
    IF gosynq.lacks_history() THEN
        TRUNCATE gosynq.events, gosynq.ticks;
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
