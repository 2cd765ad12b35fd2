-- Takes away everything that 0003 made.
DROP FUNCTION gosynq.read_events(bigint, bigint, bigint, integer, text [], text [], uuid []);
DROP FUNCTION gosynq.make_tick(interval);
DROP TABLE gosynq.ticks;
