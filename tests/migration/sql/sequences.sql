-- Sequences, those of identity columns too.
-- Locks: none.
SELECT
    sequence.seqrelid::regclass::text,
    sequence.seqtypid::regtype::text,
    sequence.seqstart,
    sequence.seqincrement,
    sequence.seqmin,
    sequence.seqmax,
    sequence.seqcache,
    sequence.seqcycle
FROM pg_sequence AS sequence
INNER JOIN pg_class AS class ON class.oid = sequence.seqrelid
WHERE class.relnamespace <> ALL('{pg_catalog, information_schema, pg_toast}'::regnamespace[]);
