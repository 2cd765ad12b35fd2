-- Extends leases of one queue from now, none beyond 15 seconds after its attempt's deadline, in which a worker can bring
-- the attempt to its end: one that nobody took back by then has no time left. A lease that is gone gives no row.
-- $1 queue; $2 job ids; $3 lease sequences; $4 the queue's lease duration, $5 one instead of all (null: none).
-- Locks: the rows, in the order of their ids, as all do that lock several leases: of two that meet, one waits and
-- neither stands in the other's way.
WITH held AS MATERIALIZED (
    SELECT job.id, job.lease_seq
    FROM gosynq.running AS job
    INNER JOIN unnest($2::uuid [], $3::integer []) AS lease (id, lease_seq)
        ON job.id = lease.id AND job.lease_seq = lease.lease_seq
    WHERE job.queue = $1
    ORDER BY job.id
    FOR UPDATE OF job
)
UPDATE gosynq.running AS job
SET lease_expires_at = least(
    statement_timestamp() + coalesce($5::interval, job.lease_duration, $4::interval), job.attempt_deadline + interval '15 seconds'
)
FROM held
WHERE job.queue = $1 AND job.id = held.id AND job.lease_seq = held.lease_seq
RETURNING
    job.id, job.lease_seq, job.lease_expires_at,
    greatest(job.lease_expires_at - statement_timestamp(), interval '0') AS valid_for,
    job.cancel_requested_at IS NOT NULL AS cancel_requested, coalesce(job.cancel_reason, '') AS cancel_reason
