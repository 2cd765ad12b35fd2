-- Reads what the judgement of running attempts of one queue needs.
-- $1 queue; $2 job ids; $3 lease sequences. Locks: none. A lease that is gone gives no row.
SELECT
    job.id, job.lease_seq, job.failures, job.deliveries, job.max_retries, job.max_deliveries, job.retry_policy,
    job.retention, job.cancel_requested_at IS NOT NULL AS cancel_requested
FROM gosynq.running AS job
INNER JOIN unnest($2::uuid [], $3::integer []) AS lease (id, lease_seq)
    ON job.id = lease.id AND job.lease_seq = lease.lease_seq
WHERE job.queue = $1
