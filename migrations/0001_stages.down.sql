-- Takes away everything that 0001 made.
DROP FUNCTION gosynq.lock_due(text, bigint);
DROP FUNCTION gosynq.lock_ready(text, text [], bigint);
DROP FUNCTION gosynq.drop_partition(text, date);
DROP FUNCTION gosynq.make_partition(text, text, date);
DROP VIEW gosynq.jobs;
DROP TABLE gosynq.events;
DROP TABLE gosynq.idempotency_keys;
DROP TABLE gosynq.attempts;
DROP TABLE gosynq.payloads;
DROP TABLE gosynq.finished;
DROP TABLE gosynq.running;
DROP TABLE gosynq.ready;
DROP TABLE gosynq.scheduled;
DROP TABLE gosynq.queues;
