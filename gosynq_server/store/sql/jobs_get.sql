-- Reads jobs, with their last errors but without payload, headers and result.
-- $1 ids. Locks: none.
SELECT
    job.id, job.queue, job.kind, job.status, job.stage, job.priority, job.created_at, job.run_at, job.expires_at,
    job.revision, job.lease_seq, job.failures, job.deliveries, job.max_retries, job.max_deliveries, job.lease_duration,
    job.attempt_timeout, job.retention, job.idempotency_key, job.schedule_id, job.retry_policy, job.labels,
    job.content_type, job.worker_id, job.started_at, job.finished_at, job.lease_expires_at, job.cancel_requested_at,
    job.progress, job.result_content_type, job.updated_at,
    job.concurrency_key, job.ordering_key, job.fairness_key,
    last.error AS last_error, last.stack_trace AS last_stack_trace, last.attempt AS last_attempt,
    last.started_at AS last_started_at, last.finished_at AS last_failed_at
FROM gosynq.jobs AS job
LEFT JOIN LATERAL (
    SELECT error, stack_trace, attempt, started_at, finished_at
    FROM gosynq.attempts AS attempt
    WHERE attempt.queue = job.queue AND attempt.job_id = job.id AND attempt.error IS NOT NULL
    ORDER BY attempt.lease_seq DESC
    LIMIT 1
) AS last ON true
WHERE job.id = ANY($1::uuid [])
