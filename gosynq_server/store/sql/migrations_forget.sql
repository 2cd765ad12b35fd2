-- Note that a migration was taken back: $1 version.
-- Locks: the row.
DELETE FROM gosynq.migrations
WHERE version = $1;
