-- Says of leases that are gone whether their attempt had ended by a worker's word.
-- $1 queue; $2 job ids; $3 lease sequences. Locks: none. A lease that ended otherwise gives no row.
SELECT lease.id, lease.lease_seq
FROM unnest($2::uuid [], $3::integer []) AS lease (id, lease_seq)
WHERE
    EXISTS (
        SELECT FROM gosynq.finished AS job
        WHERE job.queue = $1 AND job.id = lease.id AND job.lease_seq = lease.lease_seq AND job.status = 'completed'
    )
    OR EXISTS (
        SELECT FROM gosynq.attempts AS attempt
        WHERE
            attempt.queue = $1 AND attempt.job_id = lease.id AND attempt.lease_seq = lease.lease_seq
            AND attempt.outcome <> 'lease_expired'
    )
