-- Gives a job that waits for its first lease a new spec, its start included; it waits among the scheduled ones then.
-- $1 queue; $2 id; $3 kind; $4 priority; $5 payload; $6 content type; $7 start (absolute, else null); $8 delay (else null);
-- $9 expiry; $10 max_retries; $11 max_deliveries; $12 lease duration; $13 attempt time-out; $14 retention; $15 retry policy;
-- $16 labels; $17 headers; $18 concurrency key; $19 ordering key; $20 fairness key; $21 the size above which a payload
-- stands apart. Locks: the job's row. A job that is elsewhere gives no row.
WITH gone_scheduled AS (
    DELETE FROM gosynq.scheduled AS job
    WHERE job.queue = $1 AND job.id = $2 AND job.lease_seq = 0
    RETURNING job.id, job.created_at, job.revision, job.schedule_id
),
gone_ready AS (
    DELETE FROM gosynq.ready AS job
    WHERE job.queue = $1 AND job.id = $2 AND job.lease_seq = 0
    RETURNING job.id, job.created_at, job.revision, job.schedule_id
),
gone AS (
    SELECT * FROM gone_scheduled
    UNION ALL
    SELECT * FROM gone_ready
),
waiting AS (
    INSERT INTO gosynq.scheduled (
        id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, expires_at,
        max_retries, max_deliveries, lease_duration, attempt_timeout, retention, schedule_id, retry_policy, labels,
        headers, content_type, payload, concurrency_key, ordering_key, fairness_key
    )
    SELECT
        gone.id, $1, $3, $4::smallint, gone.created_at,
        coalesce($7::timestamptz, statement_timestamp() + coalesce($8::interval, '0')), gone.revision + 1, 0, 0, 0,
        $9::timestamptz, $10::integer, $11::integer, $12::interval, $13::interval, $14::interval, gone.schedule_id,
        $15::jsonb, $16::jsonb, $17::jsonb, $6,
        CASE WHEN octet_length($5::bytea) <= $21 THEN $5::bytea END, $18::text, $19::text, coalesce($20::text, '')
    FROM gone
    RETURNING id, kind, priority, revision, run_at, labels
),
stored AS (
    INSERT INTO gosynq.payloads (job_id, queue, data)
    SELECT gone.id, $1, $5::bytea
    FROM gone
    WHERE octet_length($5::bytea) > $21
    ON CONFLICT (job_id, queue) DO UPDATE SET data = excluded.data
),
dropped AS (
    DELETE FROM gosynq.payloads AS stored
    USING gone
    WHERE stored.queue = $1 AND stored.job_id = gone.id AND octet_length($5::bytea) <= $21
),
noted AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'requeued', $1, 'pending', NULL, array_agg(id), array_agg(kind), array_agg(priority), array_agg(0),
        array_agg(revision), array_agg(labels), array_agg(jsonb_build_object('next_run_at', run_at))
    FROM waiting
    HAVING count(*) > 0
)
SELECT id FROM gone
