-- List the applied migrations, oldest first.
-- Locks: none.
SELECT
    version,
    name,
    checksum,
    applied_at
FROM gosynq.migrations
ORDER BY version;
