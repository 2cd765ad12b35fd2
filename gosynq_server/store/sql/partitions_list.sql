-- Names the days that a table has partitions for.
-- $1 table. Locks: none.
SELECT to_date(right(child.relname, 8), 'YYYYMMDD') AS day
FROM pg_catalog.pg_inherits AS link
INNER JOIN pg_catalog.pg_class AS child ON child.oid = link.inhrelid
WHERE link.inhparent = ('gosynq.' || $1::text)::regclass AND child.relname ~ '_[0-9]{8}$'
ORDER BY day
