-- Sends a notice to every server that listens. Never inside a job's transaction, whose commit it would serialize.
-- $1 the notice, under 8000 bytes. Locks: the cluster's notification queue until commit.
SELECT pg_notify('gosynq', $1)
