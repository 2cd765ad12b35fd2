-- Limits and order of queues, and jobs that share a key.
ALTER TABLE gosynq.queues
ADD COLUMN max_concurrency integer CHECK (max_concurrency >= 0),
ADD COLUMN max_concurrency_per_key integer CHECK (max_concurrency_per_key > 0),
ADD COLUMN max_leases_per_second double precision CHECK (max_leases_per_second > 0),
ADD COLUMN lease_burst integer CHECK (lease_burst > 0),
ADD COLUMN max_pending bigint CHECK (max_pending >= 0),
ADD COLUMN priority_ageing interval CHECK (priority_ageing BETWEEN '0' AND '30 days'),
ADD COLUMN strict_priorities boolean NOT NULL DEFAULT false,
ADD COLUMN fairness_weights jsonb NOT NULL DEFAULT '{}',
-- Rises with every change of the settings and the state.
ADD COLUMN version bigint NOT NULL DEFAULT 1;

-- A job has a concurrency key or an ordering key or neither; with one it is due and held as long as other jobs have the key's
-- places: rank is set then, and null until it is due.
ALTER TABLE gosynq.scheduled
ADD COLUMN concurrency_key text COLLATE "C" CHECK (concurrency_key <> ''),
ADD COLUMN ordering_key text COLLATE "C" CHECK (ordering_key <> ''),
ADD COLUMN fairness_key text COLLATE "C" NOT NULL DEFAULT '',
ADD COLUMN rank timestamptz,
-- squawk-ignore constraint-missing-not-valid
ADD CHECK (concurrency_key IS NULL OR ordering_key IS NULL);

ALTER TABLE gosynq.ready
ADD COLUMN concurrency_key text COLLATE "C" CHECK (concurrency_key <> ''),
ADD COLUMN ordering_key text COLLATE "C" CHECK (ordering_key <> ''),
ADD COLUMN fairness_key text COLLATE "C" NOT NULL DEFAULT '',
ADD COLUMN rank timestamptz NOT NULL DEFAULT '-infinity',
-- squawk-ignore constraint-missing-not-valid
ADD CHECK (concurrency_key IS NULL OR ordering_key IS NULL);

UPDATE gosynq.ready SET rank = ready_at - (priority - 1) * interval '10 minutes';
-- squawk-ignore ban-drop-default
ALTER TABLE gosynq.ready ALTER COLUMN rank DROP DEFAULT;

ALTER TABLE gosynq.running
ADD COLUMN concurrency_key text COLLATE "C" CHECK (concurrency_key <> ''),
ADD COLUMN ordering_key text COLLATE "C" CHECK (ordering_key <> ''),
ADD COLUMN fairness_key text COLLATE "C" NOT NULL DEFAULT '',
-- squawk-ignore constraint-missing-not-valid
ADD CHECK (concurrency_key IS NULL OR ordering_key IS NULL);

ALTER TABLE gosynq.finished
ADD COLUMN concurrency_key text COLLATE "C" CHECK (concurrency_key <> ''),
ADD COLUMN ordering_key text COLLATE "C" CHECK (ordering_key <> ''),
ADD COLUMN fairness_key text COLLATE "C" NOT NULL DEFAULT '',
-- squawk-ignore constraint-missing-not-valid
ADD CHECK (concurrency_key IS NULL OR ordering_key IS NULL);

-- squawk-ignore require-concurrent-index-deletion
DROP INDEX gosynq.scheduled_due;
CREATE INDEX scheduled_due ON gosynq.scheduled (queue, run_at, id) WHERE rank IS NULL;
CREATE INDEX scheduled_held ON gosynq.scheduled (queue, concurrency_key, rank, id)
WHERE rank IS NOT NULL AND concurrency_key IS NOT NULL;
CREATE INDEX scheduled_ordering ON gosynq.scheduled (queue, ordering_key, id) WHERE ordering_key IS NOT NULL;

-- By rank alone: a job's rank is the moment at which it became due, moved back by its priority. See gosynq.ageing.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX gosynq.ready_order;
CREATE INDEX ready_order ON gosynq.ready (queue, fairness_key, rank, id);
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX gosynq.ready_kind;
CREATE INDEX ready_kind ON gosynq.ready (queue, kind, fairness_key, rank, id);
CREATE INDEX ready_concurrency ON gosynq.ready (queue, concurrency_key) WHERE concurrency_key IS NOT NULL;
CREATE INDEX ready_ordering ON gosynq.ready (queue, ordering_key) WHERE ordering_key IS NOT NULL;

CREATE INDEX running_concurrency ON gosynq.running (queue, concurrency_key);
CREATE INDEX running_ordering ON gosynq.running (queue, ordering_key) WHERE ordering_key IS NOT NULL;

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
-- squawk-ignore ban-drop-function
DROP FUNCTION gosynq.lock_ready_in_order(text, text [], bigint);
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
-- squawk-ignore ban-drop-function
DROP FUNCTION gosynq.lock_ready_by_kind(text, text [], bigint);
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
-- squawk-ignore ban-drop-function
DROP FUNCTION gosynq.lock_ready(text, text [], bigint);
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
CREATE OR REPLACE FUNCTION gosynq.lock_due(queue_name text, wanted bigint) RETURNS SETOF tid
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

CREATE OR REPLACE VIEW gosynq.jobs AS
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
