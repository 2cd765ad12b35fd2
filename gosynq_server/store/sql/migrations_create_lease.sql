-- Make the table whose one row says which runner may migrate, and until when.
-- Locks: rows of the catalogue; of two that create at once, one may fail with a duplicate and tries again.
CREATE TABLE IF NOT EXISTS gosynq.migration_lease (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    owner text NOT NULL,
    expires_at timestamptz NOT NULL,
    renewed_at timestamptz NOT NULL
);
