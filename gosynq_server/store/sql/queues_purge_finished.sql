-- Deletes finished jobs of one queue by status, with their attempts, payloads and idempotency keys, in the order of their
-- ids. It looks at so many jobs of all queues, in one walk through the table: that takes no index by queue.
-- $1 queue; $2 the id behind which to begin; $3 how many at most; $4 at how many to look; $5 the statuses.
-- Locks: the rows that it deletes; jobs that are being moved are left.
WITH looked AS MATERIALIZED (
    SELECT job.id, job.queue
    FROM gosynq.finished AS job
    WHERE job.id > $2
    ORDER BY job.id
    LIMIT $4
),
wanted AS MATERIALIZED (
    SELECT job.id
    FROM gosynq.finished AS job
    WHERE
        job.queue = $1 AND job.id = ANY(ARRAY(SELECT looked.id FROM looked WHERE looked.queue = $1)) AND job.status = ANY($5::text [])
    ORDER BY job.id
    LIMIT $3
    FOR UPDATE OF job SKIP LOCKED
),
gone AS (
    DELETE FROM gosynq.finished AS job
    WHERE job.queue = $1 AND job.id = ANY(ARRAY(SELECT wanted.id FROM wanted))
    RETURNING job.*
),
contents AS (
    DELETE FROM gosynq.payloads
    WHERE queue = $1 AND job_id = ANY(ARRAY(SELECT gone.id FROM gone WHERE gone.payload IS NULL))
),
histories AS (
    DELETE FROM gosynq.attempts
    WHERE queue = $1 AND job_id = ANY(ARRAY(SELECT gone.id FROM gone))
),
-- In the order of the keys, in which rivals insert them too.
named AS MATERIALIZED (
    SELECT held.key
    FROM gosynq.idempotency_keys AS held
    INNER JOIN gone ON held.key = gone.idempotency_key AND held.job_id = gone.id
    WHERE held.queue = $1
    ORDER BY held.key COLLATE "C"
    FOR UPDATE OF held
),
freed AS (
    DELETE FROM gosynq.idempotency_keys AS held
    USING named
    WHERE held.queue = $1 AND held.key = named.key
),
noted AS (
    INSERT INTO gosynq.events (
        type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels, details
    )
    SELECT
        'deleted', $1, status, NULL, array_agg(id), array_agg(kind), array_agg(priority),
        array_agg(failures + deliveries), array_agg(revision + 1), array_agg(labels), NULL
    FROM gone
    GROUP BY status
)
SELECT
    coalesce((SELECT array_agg(gone.id) FROM gone), '{}') AS ids,
    CASE
        WHEN (SELECT count(*) FROM wanted) = $3 THEN (SELECT wanted.id FROM wanted ORDER BY wanted.id DESC LIMIT 1)
        ELSE (SELECT looked.id FROM looked ORDER BY looked.id DESC LIMIT 1)
    END AS last_id
