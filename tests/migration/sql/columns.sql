-- Columns in their order; what was dropped leaves no gap.
-- Locks: none.
SELECT
    attribute.attrelid::regclass::text,
    row_number() OVER (PARTITION BY attribute.attrelid ORDER BY attribute.attnum),
    attribute.attname,
    format_type(attribute.atttypid, attribute.atttypmod),
    attribute.attnotnull,
    pg_get_expr(fallback.adbin, fallback.adrelid),
    attribute.attidentity,
    attribute.attgenerated,
    attribute.attstorage,
    attribute.attcompression,
    attribute.attcollation::regcollation::text,
    nullif(attribute.attstattarget, -1),
    attribute.attoptions,
    attribute.attacl::text
FROM pg_attribute AS attribute
INNER JOIN pg_class AS class ON class.oid = attribute.attrelid
LEFT JOIN pg_attrdef AS fallback ON fallback.adrelid = attribute.attrelid AND fallback.adnum = attribute.attnum
WHERE
    class.relnamespace <> ALL('{pg_catalog, information_schema, pg_toast}'::regnamespace[])
    AND attribute.attnum > 0
    AND NOT attribute.attisdropped;
