"""What can be seen of attempts from outside: one value for metrics and logs alike, and the facts of a log line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING

from gosynq_client.worker.leases import RefusalReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gosynq_client.worker.attempt import Attempt
    from gosynq_client.worker.leases import Exchange, Lease, Result
    from gosynq_client.worker.outcomes import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded:
    """An attempt that was started has ended.

    outcome is what was recorded, None where the lease was lost, and with it whatever the attempt came to. waited is how
    long the job had been due before started_at, free of clock skew; duration ends with the outcome, even if the handler
    goes on.
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


class Observer:
    """Tells of each attempt once it is known what was recorded of it: its result is settled, or its lease lost."""

    def __init__(self, observe: Callable[[AttemptEnded], None]) -> None:
        self._observe = observe
        self._unsettled: dict[tuple[str, int], AttemptEnded] = {}

    def ended(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """Take note of an attempt that ends now."""
        ended = attempt_ended(attempt, outcome)
        if outcome is None:
            self._observe(ended)
        else:
            self._unsettled[_key(ended.lease)] = ended

    def settled(self, offered: Iterable[Result], answer: Exchange, *, instead: Iterable[Result]) -> None:
        """Tell of the attempts whose results were offered, but for those that come to another result yet."""
        recorded: dict[tuple[str, int], Outcome | None] = {
            _key(result.lease): result.outcome for result in answer.replaced
        }
        dropped = (refusal for refusal in answer.refusals if refusal.reason is not RefusalReason.ALREADY_APPLIED)
        recorded.update((_key(refusal.lease), None) for refusal in dropped)
        open_ones = {_key(result.lease) for result in instead}
        for result in offered:
            key = _key(result.lease)
            ended = None if key in open_ones else self._unsettled.pop(key, None)
            if ended is not None:
                self._observe(_with(ended, recorded.get(key, result.outcome)))


def _key(lease: Lease) -> tuple[str, int]:
    return lease.job_id, lease.lease_seq


def _with(ended: AttemptEnded, outcome: Outcome | None) -> AttemptEnded:
    return ended if outcome is ended.outcome else replace(ended, outcome=outcome)


def facts(lease: Lease) -> dict[str, object]:
    """Name a lease in a log line; never its payload."""
    return {
        "job_id": lease.job_id,
        "queue": lease.queue,
        "kind": lease.kind,
        "attempt": lease.attempt,
        "lease_seq": lease.lease_seq,
    }
