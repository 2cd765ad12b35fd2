-- Reads rows of events in their order.
-- $1 the tick behind which, $2 the tick up to which; $3 the row of the first tick to begin with; $4 how many at most;
-- $5 queues, $6 types, $7 jobs (null: any). Locks: none.
SELECT
    tick, id, occurred_at, type, queue, status, worker_id, job_ids, kinds, priorities, attempts, revisions, labels,
    details
FROM gosynq.read_events($1, $2, $3, $4, $5, $6, $7)
