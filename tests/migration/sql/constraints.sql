-- Keys and checks, and from PostgreSQL 18 on what may not be null.
-- Locks: none.
SELECT
    rule.conrelid::regclass::text,
    rule.conname,
    pg_get_constraintdef(rule.oid),
    rule.convalidated,
    rule.conislocal,
    rule.connoinherit
FROM pg_constraint AS rule
WHERE
    rule.connamespace <> ALL('{pg_catalog, information_schema, pg_toast}'::regnamespace[])
    AND rule.conrelid <> 0;
