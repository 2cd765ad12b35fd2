DROP INDEX gosynq.finished_dead_queue;
DROP INDEX gosynq.finished_dead;
