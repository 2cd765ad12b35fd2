-- Read settings as they stand for this connection, each in the unit that the server keeps it in.
-- $1: their names.
-- Locks: none.
SELECT
    name,
    setting
FROM pg_settings
WHERE name = ANY($1);
