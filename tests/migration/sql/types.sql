-- Enums, domains and ranges.
-- Locks: none.
SELECT
    type.oid::regtype::text,
    type.typtype,
    format_type(type.typbasetype, type.typtypmod),
    type.typnotnull,
    type.typdefault,
    ARRAY(
        SELECT label.enumlabel::text
        FROM pg_enum AS label
        WHERE label.enumtypid = type.oid
        ORDER BY label.enumsortorder
    ),
    ARRAY(
        SELECT pg_get_constraintdef(rule.oid)
        FROM pg_constraint AS rule
        WHERE rule.contypid = type.oid
        ORDER BY rule.conname
    )
FROM pg_type AS type
WHERE
    type.typnamespace <> ALL('{pg_catalog, information_schema, pg_toast}'::regnamespace[])
    AND type.typtype IN ('d', 'e', 'r');
