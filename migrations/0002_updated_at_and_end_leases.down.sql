-- Takes away everything that 0002 made.
DROP FUNCTION gosynq.end_leases(text, uuid [], integer []);
DROP VIEW gosynq.jobs;
ALTER TABLE gosynq.scheduled DROP COLUMN updated_at;

CREATE VIEW gosynq.jobs AS
SELECT
    id, queue, kind, 'pending' AS status, 'scheduled' AS stage, priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    NULL::text AS worker_id, NULL::timestamptz AS started_at, NULL::timestamptz AS finished_at,
    NULL::timestamptz AS lease_expires_at, NULL::timestamptz AS cancel_requested_at, NULL::text AS cancel_reason,
    NULL::jsonb AS progress, NULL::text AS result_content_type, NULL::bytea AS result
FROM gosynq.scheduled
UNION ALL
SELECT
    id, queue, kind, 'pending', 'ready', priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM gosynq.ready
UNION ALL
SELECT
    id, queue, kind, 'processing', 'running', priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    worker_id, leased_at, NULL, lease_expires_at, cancel_requested_at, cancel_reason, progress, NULL, NULL
FROM gosynq.running
UNION ALL
SELECT
    id, queue, kind, status, 'finished', priority, created_at, run_at, expires_at, revision,
    lease_seq, failures, deliveries, max_retries, max_deliveries, lease_duration, attempt_timeout, retention,
    idempotency_key, schedule_id, retry_policy, labels, headers, content_type, payload,
    worker_id, started_at, finished_at, NULL, cancel_requested_at, cancel_reason, progress, result_content_type, result
FROM gosynq.finished;
