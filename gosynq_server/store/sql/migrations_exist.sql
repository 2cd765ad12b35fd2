-- Tell whether the list of applied migrations has been made.
-- Locks: none.
SELECT to_regclass('gosynq.migrations') IS NOT NULL AS made;
