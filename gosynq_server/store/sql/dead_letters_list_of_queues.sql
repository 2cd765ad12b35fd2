-- Reads dead letters of some queues, the newest first, looking at so many at most. Each queue's are a range of the index that
-- begins with the queue, and ordered by it: where they were those of an equal queue, the other index would give the order too,
-- and be read from end to end for a queue that has none.
-- $1 queues; $2 kinds (null: any); $3 the type of the last error (null: any); $4 and $5 from when until before
-- when (null: any time); $6 and $7 when the one was dead-lettered that the page begins after, and its id (null: from the
-- start); $8 how many are looked at. Locks: none. The last one that was looked at is there too, whether it fits or not, and
-- each row says how many they were.
WITH seen AS MATERIALIZED (
    SELECT dead.id, dead.queue, dead.kind, dead.finished_at
    FROM unnest($1::text []) AS wanted (queue)
    CROSS JOIN LATERAL (
        SELECT job.id, job.queue, job.kind, job.finished_at
        FROM gosynq.finished AS job
        WHERE
            job.status = 'failed'
            AND (job.queue, job.finished_at) >= (wanted.queue, coalesce($4::timestamptz, '-infinity'))
            AND (job.queue, job.finished_at, job.id) < (
                wanted.queue, coalesce($6::timestamptz, $5::timestamptz, 'infinity'),
                coalesce($7::uuid, '00000000-0000-0000-0000-000000000000')
            )
        ORDER BY job.queue DESC, job.finished_at DESC, job.id DESC
        LIMIT $8
    ) AS dead
    ORDER BY dead.finished_at DESC, dead.id DESC
    LIMIT $8
),
judged AS MATERIALIZED (
    SELECT
        job.id, job.finished_at, count(*) OVER () AS seen_count,
        row_number() OVER (ORDER BY job.finished_at DESC, job.id DESC) AS place,
        ($2::text [] IS NULL OR job.kind = ANY($2::text []))
        AND (
            $3::text IS NULL
            OR $3::text = (
                SELECT attempt.error ->> 'type'
                FROM gosynq.attempts AS attempt
                WHERE attempt.queue = job.queue AND attempt.job_id = job.id AND attempt.error IS NOT NULL
                ORDER BY attempt.lease_seq DESC
                LIMIT 1
            )
        ) AS is_wanted
    FROM seen AS job
)
SELECT id, finished_at, seen_count, is_wanted IS TRUE AS is_wanted
FROM judged
WHERE is_wanted OR place = seen_count
ORDER BY finished_at DESC, id DESC
