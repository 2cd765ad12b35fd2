-- Reads a queue's state and settings; a null setting is the server's.
-- $1 name. Locks: none.
SELECT
    name, CASE WHEN is_deleting THEN 'deleting' ELSE state END AS state,
    priority, max_retries, max_deliveries, retry_policy, lease_duration, attempt_timeout, retention, dead_letter_retention,
    max_payload_bytes, max_concurrency, max_concurrency_per_key, max_leases_per_second, lease_burst, max_pending
FROM gosynq.queues
WHERE name = $1
