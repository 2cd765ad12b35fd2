-- Gives a queue another state.
-- $1 name; $2 state; $3 why. Locks: its row.
UPDATE gosynq.queues
SET
    state = $2, state_reason = $3, version = version + 1, updated_at = statement_timestamp(),
    state_changed_at = CASE WHEN state = $2 THEN state_changed_at ELSE statement_timestamp() END
WHERE name = $1
RETURNING
    name, CASE WHEN is_deleting THEN 'deleting' ELSE state END AS state, state_reason, state_changed_at, description,
    max_concurrency, max_leases_per_second, lease_burst, max_pending, max_payload_bytes, max_concurrency_per_key,
    priority, max_retries, retry_policy, lease_duration, attempt_timeout, retention, dead_letter_retention,
    max_deliveries, priority_ageing, strict_priorities, fairness_weights, created_at, updated_at, version
