-- Indexes, the ones behind keys too.
-- Locks: none.
SELECT
    index.indrelid::regclass::text,
    pg_get_indexdef(index.indexrelid),
    index.indisprimary,
    index.indisvalid,
    index.indisreplident,
    index.indisclustered
FROM pg_index AS index
INNER JOIN pg_class AS class ON class.oid = index.indrelid
WHERE class.relnamespace <> ALL('{pg_catalog, information_schema, pg_toast}'::regnamespace[]);
