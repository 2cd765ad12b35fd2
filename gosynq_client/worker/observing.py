"""What can be seen of attempts from outside: one value for metrics and logs alike, and the facts of a log line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gosynq_client.worker.attempt import Attempt
    from gosynq_client.worker.leases import Lease
    from gosynq_client.worker.outcomes import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded:
    """An attempt that was started has ended.

    outcome is None where the lease was lost, and with it whatever the attempt came to. waited is how long the job had
    been due before started_at, free of clock skew; duration ends with the outcome, even if the handler goes on.
    """

    lease: Lease
    outcome: Outcome | None
    started_at: datetime
    duration: timedelta
    waited: timedelta


def attempt_ended(attempt: Attempt, outcome: Outcome | None) -> AttemptEnded:
    """Tell of an attempt that ends now."""
    duration = timedelta(seconds=monotonic() - attempt.started_at)
    # Two readings of the database's clock, then two of ours: never a difference between the two clocks.
    due = max(attempt.lease.leased_at - attempt.lease.run_at, timedelta(0))
    return AttemptEnded(
        lease=attempt.lease,
        outcome=outcome,
        started_at=datetime.now(UTC) - duration,
        duration=duration,
        waited=due + timedelta(seconds=attempt.started_at - attempt.received_at),
    )


def facts(lease: Lease) -> dict[str, object]:
    """Name a lease in a log line; never its payload."""
    return {
        "job_id": lease.job_id,
        "queue": lease.queue,
        "kind": lease.kind,
        "attempt": lease.attempt,
        "lease_seq": lease.lease_seq,
    }
