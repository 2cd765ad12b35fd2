"""What a worker has to do, case by case."""

from __future__ import annotations

from gosynq_server.conformance.cases import cancels, heartbeats, opening, pauses, reconnects, results, stops
from gosynq_server.conformance.reports import Case

CASES = (
    Case(
        name="hello",
        expected="hello comes first and alone, names the queue and every kind, and asks for room",
        play=opening.hello,
    ),
    Case(
        name="unknown",
        expected="responses that this version of the contract does not know are ignored",
        play=opening.unknown,
    ),
    Case(
        name="echo",
        expected="echo succeeds with its payload as result, under the lease's own job_id and token",
        play=results.echo,
    ),
    Case(name="fail", expected="fail comes back as a failure with its message, not non_retryable", play=results.fail),
    Case(
        name="non-retryable",
        expected="fail with non_retryable comes back as a non_retryable failure",
        play=results.non_retryable,
    ),
    Case(name="snooze", expected="snooze comes back as a snooze of that delay", play=results.snooze),
    Case(
        name="credits",
        expected="as many leases as max_in_flight says run to their end, and then there is room for as many again",
        play=opening.credits,
    ),
    Case(
        name="heartbeats",
        expected="a heartbeat comes every heartbeat_interval and names all open leases",
        play=heartbeats.heartbeats,
    ),
    Case(
        name="unacknowledged",
        expected="a lease whose result is not acknowledged yet is extended like any other",
        play=heartbeats.unacknowledged,
    ),
    Case(
        name="long-job",
        expected="a job that takes longer than its lease keeps the lease, and is done once",
        play=heartbeats.long_job,
    ),
    Case(
        name="late-leases",
        expected="after a pause, a lease that has run out meanwhile is not begun, and one that still holds is",
        play=pauses.late_leases,
    ),
    Case(
        name="cancel",
        expected="a CancelNotice stops a job within 2 s, and it comes back as cancelled",
        play=cancels.cancel,
    ),
    Case(
        name="cancel-by-heartbeat",
        expected="cancel_requested in a HeartbeatAck stops a job within 2 s, and it comes back as cancelled",
        play=cancels.cancel_by_heartbeat,
    ),
    Case(
        name="lease-lost",
        expected="a lease that a HeartbeatAck says is lost is stopped, and no result of it insisted on",
        play=cancels.lease_lost,
    ),
    Case(
        name="void-notice",
        expected="a CancelNotice with lease_lost stops a job, and no result of it is insisted on",
        play=cancels.void_notice,
    ),
    Case(
        name="already-applied",
        expected="a result answered ALREADY_APPLIED is settled: not sent again, its lease not extended",
        play=results.already_applied,
    ),
    Case(
        name="refused",
        expected="a result answered LEASE_LOST is settled: not sent again, its lease not extended",
        play=results.refused,
    ),
    Case(
        name="resend",
        expected="a result without acknowledgement at a break is sent again on the new stream, the same one",
        play=reconnects.resend,
    ),
    Case(
        name="held-leases",
        expected="after a break the new hello names the open leases, and their jobs go on",
        play=reconnects.held_leases,
    ),
    Case(
        name="held-lost",
        expected="a lease that the welcome after a break says is lost is stopped, and no result of it insisted on",
        play=cancels.held_lost,
    ),
    Case(
        name="go-away",
        expected="GoAway has the worker open another stream soon and leave the old one, while its jobs go on",
        play=reconnects.go_away,
    ),
    Case(
        name="back-off",
        expected="a server that ends every stream is tried again, 15 times in 3 s at most",
        play=opening.back_off,
    ),
    Case(
        name="back-off-welcomed",
        expected="a server that welcomes every stream and ends it with OK is tried again, 15 times in 3 s at most",
        play=opening.back_off_welcomed,
    ),
    Case(
        name="drain",
        expected="at SIGTERM: FlowControl with 0, the job finishes, the worker closes the stream, status 0",
        play=stops.drain,
    ),
    Case(
        name="go-away-stop",
        expected="at GoAway with stop: FlowControl with 0, the job finishes, the worker closes the stream, status 0",
        play=stops.go_away_stop,
    ),
)
"""In the order in which they are played: what the later ones rest on comes first."""
