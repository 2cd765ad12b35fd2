-- The dead letters by the moment at which they became such, of all queues and of one.
CREATE INDEX finished_dead ON gosynq.finished (finished_at, id) WHERE status = 'failed';
CREATE INDEX finished_dead_queue ON gosynq.finished (queue, finished_at, id) WHERE status = 'failed';
