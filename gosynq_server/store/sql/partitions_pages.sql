-- Says how many pages a table has that was a partition; null where it is gone.
-- $1 its name. Locks: none.
SELECT pg_relation_size(to_regclass('gosynq.' || quote_ident($1::text))) / current_setting('block_size')::bigint AS pages
