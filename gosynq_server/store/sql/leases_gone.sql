-- Says of leases that are gone whether their attempt had ended by its worker's word, and the status of their jobs now.
-- $1 queue; $2 job ids; $3 lease sequences. Locks: none. What ends a lease from outside stores an attempt, without an
-- error or with one that is marked as lost; a worker's word that stores no attempt (done, put off, given back) leaves the
-- job, until its next lease, elsewhere under the same lease sequence. One snapshot sees a job in exactly one stage.
SELECT
    lease.id, lease.lease_seq, job.status,
    (attempt.error IS NOT NULL AND attempt.error -> 'lost' IS NULL)
    OR (
        attempt.job_id IS NULL
        AND coalesce(job.lease_seq = lease.lease_seq AND job.status <> 'processing', false)
    ) AS settled
FROM unnest($2::uuid [], $3::integer []) AS lease (id, lease_seq)
LEFT JOIN gosynq.attempts AS attempt
    ON attempt.queue = $1 AND attempt.job_id = lease.id AND attempt.lease_seq = lease.lease_seq
LEFT JOIN gosynq.jobs AS job ON job.queue = $1 AND job.id = lease.id
