-- Reads a page of schedules, by id: the first, and the others as long as their content stays below a limit.
-- $1 the id behind which to begin; $2 how many at most; $3 bytes of content. Locks: none. The inner page is only measured:
-- the length of a payload that is stored apart is known without reading it.
SELECT
    schedule.id, schedule.description, schedule.cron, schedule.every, schedule.once, schedule.time_zone,
    schedule.start_at, schedule.end_at, schedule.overlap_policy, schedule.catch_up_policy, schedule.jitter,
    schedule.queue, schedule.kind, schedule.content_type, schedule.payload, schedule.settings, schedule.paused,
    schedule.next_run_at, schedule.held_back, schedule.last_run_at, schedule.last_job_id, schedule.created_at,
    schedule.updated_at, schedule.version
FROM (
    SELECT
        page.id, row_number() OVER by_id AS place, sum(page.size) OVER by_id AS size
    FROM (
        SELECT id, octet_length(payload) + pg_column_size(settings) AS size
        FROM gosynq.schedules
        WHERE id > $1
        ORDER BY id
        LIMIT $2
    ) AS page
    WINDOW by_id AS (ORDER BY page.id)
) AS measured
JOIN gosynq.schedules AS schedule ON schedule.id = measured.id
WHERE measured.place = 1 OR measured.size <= $3::bigint
ORDER BY schedule.id
