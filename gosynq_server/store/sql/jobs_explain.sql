-- Reads what holds one job, or may.
-- $1 id; $2 up to where the jobs ahead of it are counted; $3 how long a worker counts whose row is not renewed. Locks: none; one
-- moment for all. A job that is not there gives no row. Ranks stay here: under strict priorities they are dates before Christ.
WITH job AS MATERIALIZED (
    SELECT
        found.id, found.queue, found.kind, found.stage, found.status, found.run_at, found.failures, found.deliveries,
        found.worker_id, found.lease_expires_at, found.expires_at, found.concurrency_key, found.ordering_key, found.fairness_key, front.rank
    FROM gosynq.jobs AS found
    LEFT JOIN gosynq.ready AS front ON found.queue = front.queue AND found.id = front.id
    WHERE found.id = $1
)
SELECT
    job.id, job.queue, job.kind, job.stage, job.status, job.run_at, job.failures, job.deliveries, job.worker_id,
    job.lease_expires_at, job.expires_at, job.concurrency_key, job.ordering_key, job.fairness_key,
    statement_timestamp() AS seen_at, queue.state, queue.state_reason, queue.max_concurrency,
    queue.max_concurrency_per_key, queue.max_leases_per_second, queue.lease_burst,
    -- When one lease fits the rate again: in seconds first, since a moment may lie beyond those that a caller can be told.
    CASE
        WHEN queue.max_leases_per_second IS NOT NULL AND turn.next_lease_at IS NOT NULL
            THEN to_timestamp(greatest(0, least(
                253370764800,
                extract(EPOCH FROM turn.next_lease_at)::double precision
                - (coalesce(queue.lease_burst, ceil(queue.max_leases_per_second)) - 1) / queue.max_leases_per_second
            )))
    END AS rate_opens_at,
    (SELECT count(*) FROM gosynq.running AS rival WHERE rival.queue = job.queue) AS running_count,
    (
        SELECT count(*) FROM gosynq.running AS rival
        WHERE rival.queue = job.queue AND rival.concurrency_key = job.concurrency_key AND rival.id <> job.id
    ) AS key_running_count,
    (
        SELECT count(*) FROM gosynq.ready AS rival
        WHERE rival.queue = job.queue AND rival.concurrency_key = job.concurrency_key AND rival.id <> job.id
    ) AS key_ready_count,
    (
        SELECT rival.id::text
        FROM (
            SELECT running.id FROM gosynq.running AS running
            WHERE running.queue = job.queue AND running.ordering_key = job.ordering_key
            UNION ALL
            SELECT ready.id FROM gosynq.ready AS ready
            WHERE ready.queue = job.queue AND ready.ordering_key = job.ordering_key
            UNION ALL
            (
                SELECT first.id FROM gosynq.scheduled AS first
                WHERE first.queue = job.queue AND first.ordering_key = job.ordering_key
                ORDER BY first.id
                LIMIT 1
            )
        ) AS rival
        WHERE rival.id <> job.id
        LIMIT 1
    ) AS before_id,
    (
        SELECT count(*)
        FROM (
            SELECT FROM gosynq.ready AS rival
            WHERE
                rival.queue = job.queue AND rival.fairness_key = job.fairness_key
                AND (rival.rank, rival.id) < (job.rank, job.id)
                AND (rival.expires_at IS NULL OR rival.expires_at > statement_timestamp())
            LIMIT $2
        ) AS ahead
    ) AS ahead_count,
    EXISTS (
        SELECT FROM gosynq.ready AS rival WHERE rival.queue = job.queue AND rival.fairness_key > job.fairness_key
    )
    OR EXISTS (
        SELECT FROM gosynq.ready AS rival WHERE rival.queue = job.queue AND rival.fairness_key < job.fairness_key
    ) AS has_rival_keys,
    worker.for_queue, worker.for_kind, worker.is_free
FROM job
LEFT JOIN gosynq.queues AS queue ON job.queue = queue.name
LEFT JOIN gosynq.queue_turns AS turn ON job.queue = turn.queue
CROSS JOIN LATERAL (
    SELECT
        count(*) AS for_queue,
        count(*) FILTER (WHERE seen.takes_kind) AS for_kind,
        coalesce(bool_or(seen.takes_kind AND seen.drain_reason IS NULL AND seen.in_flight < seen.room), false) AS is_free
    FROM (
        SELECT
            one.drain_reason, one.kinds = '{}' OR job.kind = ANY(one.kinds) AS takes_kind, one.max_in_flight AS room,
            (SELECT count(*) FROM gosynq.running AS held WHERE held.worker_id = one.worker_id) AS in_flight
        FROM gosynq.workers AS one
        WHERE
            (one.queues = '{}' OR job.queue = ANY(one.queues))
            AND one.renewed_at >= statement_timestamp() - $3::interval
    ) AS seen
) AS worker
