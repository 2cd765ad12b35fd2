-- Triggers that somebody made.
-- Locks: none.
SELECT
    source.tgrelid::regclass::text,
    pg_get_triggerdef(source.oid),
    source.tgenabled
FROM pg_trigger AS source
INNER JOIN pg_class AS class ON class.oid = source.tgrelid
WHERE
    class.relnamespace <> ALL('{pg_catalog, information_schema, pg_toast}'::regnamespace[])
    AND NOT source.tgisinternal;
