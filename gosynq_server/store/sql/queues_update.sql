-- Writes all settings of a queue anew.
-- $1 name; $2 description; of its limits: $3 max_concurrency, $4 max_leases_per_second, $5 lease_burst, $6 max_pending,
-- $7 max_payload_bytes, $8 max_concurrency_per_key; of its defaults: $9 priority, $10 max_retries, $11 retry_policy, $12
-- lease_duration, $13 attempt_timeout, $14 retention, $15 dead_letter_retention, $16 max_deliveries; of its order: $17
-- priority_ageing, $18 strict_priorities, $19 fairness_weights. Locks: its row.
UPDATE gosynq.queues
SET
    description = $2, max_concurrency = $3, max_leases_per_second = $4, lease_burst = $5, max_pending = $6,
    max_payload_bytes = $7, max_concurrency_per_key = $8, priority = $9, max_retries = $10, retry_policy = $11,
    lease_duration = $12, attempt_timeout = $13, retention = $14, dead_letter_retention = $15, max_deliveries = $16,
    priority_ageing = $17, strict_priorities = $18, fairness_weights = $19, version = version + 1,
    updated_at = statement_timestamp()
WHERE name = $1
RETURNING
    name, CASE WHEN is_deleting THEN 'deleting' ELSE state END AS state, state_reason, state_changed_at, description,
    max_concurrency, max_leases_per_second, lease_burst, max_pending, max_payload_bytes, max_concurrency_per_key,
    priority, max_retries, retry_policy, lease_duration, attempt_timeout, retention, dead_letter_retention,
    max_deliveries, priority_ageing, strict_priorities, fairness_weights, created_at, updated_at, version
