-- Make the list of applied migrations. It is made last: where it is, the lease is too.
-- Locks: rows of the catalogue; of two that create at once, one may fail with a duplicate and tries again.
CREATE TABLE IF NOT EXISTS gosynq.migrations (
    version integer PRIMARY KEY CHECK (version > 0),
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
