-- Make the schema that everything of ours lives in.
-- Locks: a row of pg_namespace; of two that create at once, one may fail with a duplicate and tries again.
CREATE SCHEMA IF NOT EXISTS gosynq;
