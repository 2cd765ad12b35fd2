-- When a job was last changed. Only a scheduled job has to store it: the default is the moment of its coming there. In the
-- other stages a moment that is stored already says it. What was scheduled before takes the moment of this migration.
ALTER TABLE gosynq.scheduled ADD COLUMN updated_at timestamptz NOT NULL DEFAULT statement_timestamp();

CREATE OR REPLACE VIEW gosynq.jobs AS
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
