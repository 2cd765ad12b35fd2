-- Keeps the last progress of running jobs of one queue. A lease that is gone gives no row.
-- $1 queue; $2 job ids; $3 lease sequences; $4 progresses. Locks: the rows.
UPDATE gosynq.running AS job
SET progress = lease.progress || jsonb_build_object('updated_at', statement_timestamp())
FROM unnest($2::uuid [], $3::integer [], $4::jsonb []) AS lease (id, lease_seq, progress)
WHERE job.queue = $1 AND job.id = lease.id AND job.lease_seq = lease.lease_seq
RETURNING job.id, job.cancel_requested_at IS NOT NULL AS cancel_requested
