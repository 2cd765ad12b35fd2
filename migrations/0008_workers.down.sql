DROP TABLE gosynq.workers;
