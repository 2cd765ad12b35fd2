-- Carries what a queue has used of its burst over to another rate and burst: as many leases as before have to be waited for,
-- the whole new burst at most, at the new rate. Without a rate nothing is used.
-- $1 queue; $2 the rate before and $3 the rate now, null being none; $4 the burst now, null being the rate rounded up. Locks:
-- the queue's row in queue_turns.
UPDATE gosynq.queue_turns
SET next_lease_at = statement_timestamp() + interval '1 second' * coalesce(
    least(
        extract(EPOCH FROM next_lease_at - statement_timestamp())::double precision * coalesce($2::double precision, 0),
        coalesce($4::integer, ceil($3::double precision))
    ) / $3::double precision,
    0
)
WHERE queue = $1 AND next_lease_at > statement_timestamp()
