-- Say what the server is and how full it is.
-- Locks: none.
SELECT
    current_setting('server_version') AS version,
    current_setting('server_version_num')::integer AS version_number,
    pg_is_in_recovery() AS is_standby,
    statement_timestamp() AS server_time,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections;
