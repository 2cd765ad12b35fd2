-- Give the lease back: $1 owner.
-- Locks: the lease's row.
UPDATE gosynq.migration_lease
SET
    owner = '',
    expires_at = statement_timestamp(),
    renewed_at = statement_timestamp()
WHERE owner = $1;
