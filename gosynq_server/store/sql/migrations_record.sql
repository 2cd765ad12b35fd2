-- Note that a migration was applied: $1 version, $2 name, $3 checksum.
-- Locks: the new row.
INSERT INTO gosynq.migrations (version, name, checksum)
VALUES ($1, $2, $3);
