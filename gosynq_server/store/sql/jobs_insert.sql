-- Adds jobs to one queue, each to the stage that its start means; those whose key is taken are left out. What has to wait for
-- a place of its concurrency or ordering key is scheduled, and due from the start.
-- $1 queue; $2 ids; $3 kinds; $4 priorities; $5 payloads; $6 content types; $7 starts (absolute, else null); $8 delays
-- (else null); $9 expiries; $10 max_retries; $11 max_deliveries; $12 lease durations; $13 attempt time-outs; $14
-- retentions; $15 retry policies; $16 labels; $17 headers; $18 keys, sorted with everything else; $19 fingerprints;
-- $20 the size above which a payload stands apart; $21 the idempotency window; $22 concurrency keys; $23 ordering keys; $24
-- fairness keys; $25 ids of the schedules that make them. A short array is filled up with nulls.
-- Locks: the keys' index entries until commit; rival callers with the same keys wait in the keys' order.
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $2::uuid [], $3::text [], $4::smallint [], $5::bytea [], $6::text [], $7::timestamptz [], $8::interval [],
        $9::timestamptz [], $10::integer [], $11::integer [], $12::interval [], $13::interval [], $14::interval [],
        $15::jsonb [], $16::jsonb [], $17::jsonb [], $18::text [], $19::bytea [], $22::text [], $23::text [], $24::text [],
        $25::text []
    ) AS spec (
        id, kind, priority, content, content_type, run_at, delay, expires_at, max_retries, max_deliveries,
        lease_duration, attempt_timeout, retention, retry_policy, labels, headers, key, fingerprint,
        concurrency_key, ordering_key, fairness_key, schedule_id
    )
),
keyed AS (
    INSERT INTO gosynq.idempotency_keys (queue, key, fingerprint, job_id, check_at)
    SELECT $1, key, fingerprint, id, statement_timestamp() + $21
    FROM given
    WHERE key IS NOT NULL
    ON CONFLICT (queue, key) DO NOTHING
    RETURNING job_id
),
new AS MATERIALIZED (
    SELECT
        id, kind, priority, content_type, expires_at, max_retries, max_deliveries, lease_duration, attempt_timeout,
        retention, retry_policy, labels, headers, key, content, concurrency_key, ordering_key,
        schedule_id, coalesce(fairness_key, '') AS fairness_key,
        CASE WHEN octet_length(content) <= $20 THEN content END AS payload,
        coalesce(run_at, statement_timestamp() + coalesce(delay, '0')) AS starts_at,
        CASE
            WHEN coalesce(run_at, statement_timestamp() + coalesce(delay, '0')) <= statement_timestamp()
                THEN statement_timestamp() - (priority - 1) * ageing.step
        END AS rank
    FROM given
    CROSS JOIN gosynq.ageing($1) AS ageing (step)
    WHERE key IS NULL OR id IN (SELECT job_id FROM keyed)
),
-- Due later, or not before there is a place.
scheduled AS (
    INSERT INTO gosynq.scheduled (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, retry_policy, labels,
        headers, content_type, payload, concurrency_key, ordering_key, schedule_id,
        fairness_key, rank
    )
    SELECT
        id, $1, kind, priority, statement_timestamp(), starts_at, 1, 0, 0, 0, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, key, retry_policy, labels, headers,
        content_type, payload, concurrency_key, ordering_key, schedule_id, fairness_key, rank
    FROM new
    WHERE rank IS NULL OR concurrency_key IS NOT NULL OR ordering_key IS NOT NULL
),
-- Due now.
ready AS (
    INSERT INTO gosynq.ready (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, idempotency_key, retry_policy, labels,
        headers, content_type, payload, concurrency_key, ordering_key, schedule_id,
        fairness_key, rank, ready_at
    )
    SELECT
        id, $1, kind, priority, statement_timestamp(), starts_at, 1, 0, 0, 0, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, key, retry_policy, labels,
        headers, content_type, payload, concurrency_key, ordering_key, schedule_id, fairness_key, rank, statement_timestamp()
    FROM new
    WHERE rank IS NOT NULL AND concurrency_key IS NULL AND ordering_key IS NULL
),
stored AS (
    INSERT INTO gosynq.payloads (job_id, queue, data)
    SELECT id, $1, content
    FROM new
    WHERE payload IS NULL
),
noted AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'created', $1, 'pending', NULL, array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(0), array_agg(1), array_agg(labels), NULL
    FROM new
    HAVING count(*) > 0
)
SELECT id, starts_at, statement_timestamp() AS created_at
FROM new
