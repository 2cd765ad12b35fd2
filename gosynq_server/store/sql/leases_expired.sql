-- Reads leases that have run out, the oldest first, with what their judgement needs.
-- $1 how many at most. Locks: none; what becomes of them is fenced by the lease sequence and the lease's end.
SELECT
    id, queue, lease_seq, failures, deliveries, max_retries, max_deliveries, retry_policy, retention,
    cancel_requested_at IS NOT NULL AS cancel_requested,
    coalesce(attempt_deadline <= statement_timestamp(), false) AS timed_out, statement_timestamp() AS seen_at
FROM gosynq.running
WHERE lease_expires_at < statement_timestamp()
ORDER BY lease_expires_at
LIMIT $1
