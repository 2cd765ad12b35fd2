-- Keeps the last progress of running jobs of one queue. A lease that is gone gives no row.
-- $1 queue; $2 job ids; $3 lease sequences; $4 progresses. Locks: the rows, in the order of their ids, as all
-- do that lock several leases.
WITH held AS MATERIALIZED (
    SELECT job.id
    FROM gosynq.running AS job
    INNER JOIN unnest($2::uuid [], $3::integer []) AS lease (id, lease_seq)
        ON job.id = lease.id AND job.lease_seq = lease.lease_seq
    WHERE job.queue = $1
    ORDER BY job.id
    FOR UPDATE OF job
)
UPDATE gosynq.running AS job
SET progress = lease.progress || jsonb_build_object('updated_at', statement_timestamp())
FROM held, unnest($2::uuid [], $3::integer [], $4::jsonb []) AS lease (id, lease_seq, progress)
WHERE job.queue = $1 AND job.id = held.id AND job.id = lease.id AND job.lease_seq = lease.lease_seq
RETURNING job.id, job.cancel_requested_at IS NOT NULL AS cancel_requested
