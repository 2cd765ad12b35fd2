-- Reads the database's clock. Locks: none.
SELECT statement_timestamp()
