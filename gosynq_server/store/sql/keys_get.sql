-- Reads what idempotency keys of one queue name.
-- $1 queue; $2 keys. Locks: none. A statement of its own, after the one that could not insert them: only a new snapshot
-- shows what a rival has just committed.
SELECT key, fingerprint, job_id
FROM gosynq.idempotency_keys
WHERE queue = $1 AND key = ANY($2::text [])
