-- Tables, partitions, views, indexes and sequences.
-- Locks: none.
SELECT
    class.oid::regclass::text,
    class.relkind,
    class.relpersistence,
    class.reloptions,
    class.relrowsecurity,
    class.relreplident,
    class.relacl::text,
    access.amname,
    pg_get_partkeydef(class.oid),
    pg_get_expr(class.relpartbound, class.oid),
    inherits.inhparent::regclass::text,
    CASE WHEN class.relkind IN ('v', 'm') THEN pg_get_viewdef(class.oid) END
FROM pg_class AS class
LEFT JOIN pg_am AS access ON access.oid = class.relam
LEFT JOIN pg_inherits AS inherits ON inherits.inhrelid = class.oid
WHERE class.relnamespace <> ALL('{pg_catalog, information_schema, pg_toast}'::regnamespace[]);
