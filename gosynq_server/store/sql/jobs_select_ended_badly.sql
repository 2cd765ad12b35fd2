-- Reads which failed or cancelled jobs a filter selects, as jobs_select does, by the index that has these alone.
-- $1 statuses, failed or cancelled; $2 a path that the job's facts must match (null: none); $3 whether the path asks about
-- errors; $4 the id to begin after (null: from the start); $5 how many are looked at. Locks: none.
WITH seen AS MATERIALIZED (
    SELECT
        job.id, job.queue, job.kind, job.status, 'finished' AS stage, job.priority, job.failures, job.deliveries,
        job.created_at, job.run_at, job.finished_at, job.schedule_id, job.idempotency_key, job.concurrency_key,
        job.ordering_key, job.fairness_key, job.labels, job.cancel_requested_at
    FROM gosynq.finished AS job
    WHERE
        job.id > coalesce($4::uuid, '00000000-0000-0000-0000-000000000000')
        AND job.status <> 'completed' AND job.status = ANY($1::text [])
    ORDER BY job.id
    LIMIT $5
),
judged AS MATERIALIZED (
    SELECT
        job.id, job.queue, job.status, job.stage, job.cancel_requested_at IS NOT NULL AS cancel_requested,
        count(*) OVER () AS seen_count, row_number() OVER (ORDER BY job.id) AS place,
        $2::jsonpath IS NULL OR jsonb_build_object(
            'id', job.id, 'queue', job.queue, 'kind', job.kind, 'status', job.status, 'priority', job.priority,
            'attempt', job.failures + job.deliveries, 'created_at', extract(EPOCH FROM job.created_at),
            'run_at', extract(EPOCH FROM job.run_at), 'finished_at', extract(EPOCH FROM job.finished_at),
            'schedule_id', coalesce(job.schedule_id, ''), 'idempotency_key', coalesce(job.idempotency_key, ''),
            'concurrency_key', coalesce(job.concurrency_key, ''), 'ordering_key', coalesce(job.ordering_key, ''),
            'fairness_key', job.fairness_key, 'labels', coalesce(job.labels, '{}'),
            'error_type', CASE
                WHEN $3::boolean THEN coalesce((
                    SELECT attempt.error ->> 'type'
                    FROM gosynq.attempts AS attempt
                    WHERE attempt.queue = job.queue AND attempt.job_id = job.id AND attempt.error IS NOT NULL
                    ORDER BY attempt.lease_seq DESC
                    LIMIT 1
                ), '')
            END
        ) @@ $2::jsonpath AS is_selected
    FROM seen AS job
)
SELECT id, queue, status, stage, cancel_requested, seen_count, is_selected IS TRUE AS is_selected
FROM judged
WHERE is_selected OR place = seen_count
ORDER BY id
