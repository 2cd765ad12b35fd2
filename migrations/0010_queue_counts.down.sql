-- Takes the counts away again. A queue that was being deleted is paused.
DROP FUNCTION gosynq.due(text, bigint);
DROP FUNCTION gosynq.not_due(text, bigint);
DROP FUNCTION gosynq.drop_detached(text, text [], text [], bigint []);
DROP FUNCTION gosynq.count_detached(text, bigint, bigint);
DROP FUNCTION gosynq.detach_finished(date);
DROP FUNCTION gosynq.recount(boolean);
DROP FUNCTION gosynq.detached_days();
DROP FUNCTION gosynq.count_events(interval);
DROP FUNCTION gosynq.queue_totals(text []);
DROP FUNCTION gosynq.event_deltas(pg_snapshot);
DROP TABLE gosynq.queue_splits;
DROP TABLE gosynq.queue_rates;
DROP TABLE gosynq.queue_counting;
DROP TABLE gosynq.queue_counts;
ALTER TABLE gosynq.events DROP COLUMN status_before, DROP COLUMN queue_before;
ALTER TABLE gosynq.queues DROP COLUMN is_deleting;

CREATE OR REPLACE FUNCTION gosynq.begin_history() RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    LOCK TABLE gosynq.ticks IN ACCESS EXCLUSIVE MODE;
    IF gosynq.lacks_history() THEN
        TRUNCATE gosynq.events, gosynq.ticks;
        INSERT INTO gosynq.ticks (id, made_at, snapshot) VALUES (0, clock_timestamp(), pg_current_snapshot());
    END IF;
END $$;
