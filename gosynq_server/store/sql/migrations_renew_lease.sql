-- Keep the lease: $1 owner, $2 how long from now. No row means it is lost.
-- Locks: the lease's row to the end of the transaction, so that no rival takes over while a migration runs in it.
UPDATE gosynq.migration_lease
SET
    expires_at = statement_timestamp() + $2::interval,
    renewed_at = statement_timestamp()
WHERE owner = $1
RETURNING expires_at;
