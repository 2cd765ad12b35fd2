-- Workers that were heard of lately: one row for each, which its server renews.
--
-- server_id is empty for one that polls; no queues, or no kinds, means all of them. A session that finds another one's id in
-- its row was replaced.
CREATE TABLE gosynq.workers (
    worker_id text COLLATE "C" PRIMARY KEY CHECK (worker_id <> ''),
    server_id text NOT NULL,
    session_id text NOT NULL,
    queues text [] NOT NULL,
    weights integer [] NOT NULL,
    limits integer [] NOT NULL,
    kinds text [] NOT NULL,
    make jsonb NOT NULL,
    max_in_flight integer NOT NULL CHECK (max_in_flight >= 0),
    connected_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    renewed_at timestamptz NOT NULL,
    drain_reason text,
    CHECK (cardinality(weights) = cardinality(queues)),
    CHECK (cardinality(limits) = cardinality(queues))
) WITH (fillfactor = 70);
