-- Reads one queue as it is shown, and keeps it as it is until commit.
-- $1 name. Locks: its row.
SELECT
    name, CASE WHEN is_deleting THEN 'deleting' ELSE state END AS state, state_reason, state_changed_at, description,
    max_concurrency, max_leases_per_second, lease_burst, max_pending, max_payload_bytes, max_concurrency_per_key,
    priority, max_retries, retry_policy, lease_duration, attempt_timeout, retention, dead_letter_retention,
    max_deliveries, priority_ageing, strict_priorities, fairness_weights, created_at, updated_at, version
FROM gosynq.queues
WHERE name = $1
FOR UPDATE
