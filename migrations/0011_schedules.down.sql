DROP TABLE gosynq.schedules;
