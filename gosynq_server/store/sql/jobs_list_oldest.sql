-- Reads a page of jobs, oldest first, without payload, headers and result.
-- $1 statuses, $2 queues, $3 kinds, $4 priorities (null: any); $5 a path that the job's facts must match (null: none);
-- $6 the id that the page begins after (null: from the start); $7 how many at most; $8 whether the path
-- asks about errors. Locks: none.
WITH page AS MATERIALIZED (
    SELECT *
    FROM gosynq.jobs AS job
    WHERE
        ($1::text [] IS NULL OR job.status = ANY($1::text []))
        AND ($2::text [] IS NULL OR job.queue = ANY($2::text []))
        AND ($3::text [] IS NULL OR job.kind = ANY($3::text []))
        AND ($4::smallint [] IS NULL OR job.priority = ANY($4::smallint []))
        AND job.id > coalesce($6::uuid, '00000000-0000-0000-0000-000000000000')
        AND (
            $5::jsonpath IS NULL
            OR jsonb_build_object(
                'id', job.id, 'queue', job.queue, 'kind', job.kind, 'status', job.status, 'priority', job.priority,
                'attempt', job.failures + job.deliveries, 'created_at', extract(EPOCH FROM job.created_at),
                'run_at', extract(EPOCH FROM job.run_at), 'finished_at', extract(EPOCH FROM job.finished_at),
                'schedule_id', coalesce(job.schedule_id, ''), 'idempotency_key', coalesce(job.idempotency_key, ''),
                'concurrency_key', coalesce(job.concurrency_key, ''), 'ordering_key', coalesce(job.ordering_key, ''),
                'fairness_key', job.fairness_key, 'labels', coalesce(job.labels, '{}'),
                'error_type', CASE
                    WHEN $8::boolean THEN coalesce((
                        SELECT attempt.error ->> 'type'
                        FROM gosynq.attempts AS attempt
                        WHERE attempt.queue = job.queue AND attempt.job_id = job.id AND attempt.error IS NOT NULL
                        ORDER BY attempt.lease_seq DESC
                        LIMIT 1
                    ), '')
                END
            ) @@ $5::jsonpath
        )
    ORDER BY job.id
    LIMIT $7
)
SELECT
    job.id, job.queue, job.kind, job.status, job.stage, job.priority, job.created_at, job.run_at, job.expires_at,
    job.revision, job.lease_seq, job.failures, job.deliveries, job.max_retries, job.max_deliveries, job.lease_duration,
    job.attempt_timeout, job.retention, job.idempotency_key, job.schedule_id, job.retry_policy, job.labels,
    job.content_type, job.worker_id, job.started_at, job.finished_at, job.lease_expires_at, job.cancel_requested_at,
    job.progress, job.result_content_type, job.updated_at,
    job.concurrency_key, job.ordering_key, job.fairness_key,
    last.error AS last_error, last.stack_trace AS last_stack_trace, last.attempt AS last_attempt,
    last.started_at AS last_started_at, last.finished_at AS last_failed_at
FROM page AS job
LEFT JOIN LATERAL (
    SELECT error, stack_trace, attempt, started_at, finished_at
    FROM gosynq.attempts AS attempt
    WHERE attempt.queue = job.queue AND attempt.job_id = job.id AND attempt.error IS NOT NULL
    ORDER BY attempt.lease_seq DESC
    LIMIT 1
) AS last ON true
ORDER BY job.id
