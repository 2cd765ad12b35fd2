-- Take the lease if it has run out and nobody migrates: $1 owner, $2 how long. No row means it is another's.
-- Locks: the lease's row, passed by while a migration's transaction holds it, so that a rival never waits here.
WITH free AS MATERIALIZED (
    -- The row, when its time is over.
    SELECT singleton
    FROM gosynq.migration_lease
    WHERE expires_at <= statement_timestamp()
    FOR UPDATE SKIP LOCKED
)

UPDATE gosynq.migration_lease AS lease
SET
    owner = $1,
    expires_at = statement_timestamp() + $2::interval,
    renewed_at = statement_timestamp()
FROM free
WHERE lease.singleton = free.singleton
RETURNING lease.expires_at;
