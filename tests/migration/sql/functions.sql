-- Functions with their sources.
-- Locks: none.
SELECT
    routine.oid::regprocedure::text,
    pg_get_functiondef(routine.oid),
    routine.proacl::text
FROM pg_proc AS routine
WHERE
    routine.pronamespace <> ALL('{pg_catalog, information_schema, pg_toast}'::regnamespace[])
    AND routine.prokind <> 'a';
