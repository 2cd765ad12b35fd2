-- Put in the lease's row, held by nobody.
-- Locks: the row, if it is new.
INSERT INTO gosynq.migration_lease (owner, expires_at, renewed_at)
VALUES ('', statement_timestamp(), statement_timestamp())
ON CONFLICT (singleton) DO NOTHING;
