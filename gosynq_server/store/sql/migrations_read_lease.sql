-- Say who holds the lease and until when.
-- Locks: none.
SELECT
    owner,
    expires_at
FROM gosynq.migration_lease;
