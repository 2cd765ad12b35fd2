-- Enqueueing by SQL, in the caller's own transaction: gosynq.enqueue and gosynq.enqueue_many (docs/sql.md). What is added, refused
-- and written is what JobService.EnqueueJob adds, refuses and writes; the functions run with the caller's rights.

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
