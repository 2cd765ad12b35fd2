"""What a call can fail with: one class per situation, mirroring the contract's ErrorReason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from gosynq_client.jobs import Job, JobRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One broken rule: the path of the field, what is wrong with it, and the rule's id."""

    field: str
    description: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetails:
    """What came with a refusal: the code's name, the reason, its facts, when to try again, and which fields broke."""

    code: str = ""
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after: timedelta | None = None
    violations: tuple[FieldViolation, ...] = ()


class GosynqError(Exception):
    """A call failed.

    `code` is the name of its gRPC status code, `reason` that of the contract's ErrorReason, empty where the failure
    came from no GoSynq server. `metadata` holds the facts that the reason's comment in the contract names, such as
    job_id. `retry_after`, when set, is how long the server asks to be left alone. `violations` names broken fields.
    """

    reason: str = ""

    def __init__(self, message: str, details: ErrorDetails | None = None) -> None:
        super().__init__(message)
        details = details or ErrorDetails()
        self.code = details.code
        self.reason = details.reason or type(self).reason
        self.metadata = details.metadata
        self.retry_after = details.retry_after
        self.violations = details.violations


class ValidationFailed(GosynqError):
    """A rule of the schema is broken; `violations` says where."""

    reason = "VALIDATION_FAILED"


class PayloadTooLarge(GosynqError):
    """The payload is larger than the queue or the server takes. Metadata: size, limit."""

    reason = "PAYLOAD_TOO_LARGE"


class NumberPrecision(GosynqError):
    """An integer does not fit a double (REST only). Metadata: field."""

    reason = "NUMBER_PRECISION"


class FilterInvalid(GosynqError):
    """A filter does not parse. Metadata: position."""

    reason = "FILTER_INVALID"


class PageTokenInvalid(GosynqError):
    """A page token was made by another call, or changed."""

    reason = "PAGE_TOKEN_INVALID"


class CursorInvalid(GosynqError):
    """A cursor is none of this database's history, which may have been restored: start again, with a snapshot."""

    reason = "CURSOR_INVALID"


class ScheduleInvalid(GosynqError):
    """A cron expression or time zone does not parse."""

    reason = "SCHEDULE_INVALID"


class ProtocolViolation(GosynqError):
    """A message stood where the stream's protocol has none."""

    reason = "PROTOCOL_VIOLATION"


class UpdateMaskInvalid(GosynqError):
    """An update mask names what can't be updated. Metadata: path."""

    reason = "UPDATE_MASK_INVALID"


class CursorExpired(GosynqError):
    """The events after the cursor are gone: start again, with a snapshot. Metadata: oldest_cursor."""

    reason = "CURSOR_EXPIRED"


class JobNotFound(GosynqError):
    """There is no such job. Metadata: job_id."""

    reason = "JOB_NOT_FOUND"


class QueueNotFound(GosynqError):
    """There is no such queue. Metadata: queue."""

    reason = "QUEUE_NOT_FOUND"


class ScheduleNotFound(GosynqError):
    """There is no such schedule. Metadata: schedule_id."""

    reason = "SCHEDULE_NOT_FOUND"


class WorkerNotFound(GosynqError):
    """There is no such worker. Metadata: worker_id."""

    reason = "WORKER_NOT_FOUND"


class IdempotencyKeyReused(GosynqError):
    """The key names a job with another spec. Metadata: job_id, queue."""

    reason = "IDEMPOTENCY_KEY_REUSED"


class ScheduleExists(GosynqError):
    """There is such a schedule already. Metadata: schedule_id."""

    reason = "SCHEDULE_EXISTS"


class JobTerminal(GosynqError):
    """The job is over and can't be changed so. Metadata: job_id, status."""

    reason = "JOB_TERMINAL"


class JobProcessing(GosynqError):
    """A worker has the job. Metadata: job_id, worker_id."""

    reason = "JOB_PROCESSING"


class LeaseLost(GosynqError):
    """The lease ran out or was voided. Metadata: job_id, status."""

    reason = "LEASE_LOST"


class QueueDraining(GosynqError):
    """The queue takes no new jobs. Metadata: queue."""

    reason = "QUEUE_DRAINING"


class QueueNotEmpty(GosynqError):
    """The queue has jobs and may only be deleted by force. Metadata: queue, jobs."""

    reason = "QUEUE_NOT_EMPTY"


class QueueDeleting(GosynqError):
    """The queue is being deleted. Metadata: queue."""

    reason = "QUEUE_DELETING"


class EtagMismatch(GosynqError):
    """What was to be changed has changed since it was read. Metadata: etag."""

    reason = "ETAG_MISMATCH"


class SessionReplaced(GosynqError):
    """Another stream said hello with the same worker id. Metadata: worker_id."""

    reason = "SESSION_REPLACED"


class QueueFull(GosynqError):
    """The queue holds as many jobs as it may; see `retry_after`. Metadata: queue, limit."""

    reason = "QUEUE_FULL"


class RateLimited(GosynqError):
    """The caller asks for too much; see `retry_after`. Metadata: limit."""

    reason = "RATE_LIMITED"


class TooManyStreams(GosynqError):
    """As many streams are open as may be. Metadata: limit."""

    reason = "TOO_MANY_STREAMS"


class SlowConsumer(GosynqError):
    """The caller of a stream took nothing for too long. Metadata: cursor, for a watch."""

    reason = "SLOW_CONSUMER"


class StorageFull(GosynqError):
    """The database has no room for it; what is stored is safe."""

    reason = "STORAGE_FULL"


class CredentialsMissing(GosynqError):
    """The server wants a token or a certificate."""

    reason = "CREDENTIALS_MISSING"


class CredentialsInvalid(GosynqError):
    """The credentials do not hold, or hold no more."""

    reason = "CREDENTIALS_INVALID"


class PermissionMissing(GosynqError):
    """The caller may not do this. Metadata: permission, queue."""

    reason = "PERMISSION_MISSING"


class CrossOrigin(GosynqError):
    """A web page of another origin may not write (REST only). Metadata: origin."""

    reason = "CROSS_ORIGIN"


class Unavailable(GosynqError):
    """No server could be reached, or not all the way: what was asked may or may not have been done."""


class ServerDraining(Unavailable):
    """The server is stopping; another one can be tried at once."""

    reason = "SERVER_DRAINING"


class DatabaseUnavailable(Unavailable):
    """The server can't reach its database; see `retry_after`."""

    reason = "DATABASE_UNAVAILABLE"


class InternalError(GosynqError):
    """The server has a bug. Metadata: request_id, by which its log tells more."""

    reason = "INTERNAL"


class DeadlineExceeded(GosynqError, TimeoutError):
    """The answer did not come in time: what was asked may or may not have been done."""


class JobNotDone(GosynqError, TimeoutError):
    """The time to wait is up and the job is not done; `job` is its last state."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.id} is still {job.status}")
        self.job = job


class EnqueueStreamBroken(Unavailable):
    """The stream broke, its cause says why; what became of the `unanswered` jobs is not known.

    They hold the keys that they were sent with. So they may be enqueued again, except those whose key is "".
    """

    def __init__(self, unanswered: tuple[JobRequest, ...]) -> None:
        super().__init__(f"the stream broke with {len(unanswered)} jobs unanswered")
        self.unanswered = unanswered


class TokenInTheOpen(GosynqError, ValueError):
    """A token would travel unencrypted to another machine."""

    def __init__(self, target: str) -> None:
        super().__init__(
            f"refusing to send a token to {target} without TLS: set ClientOptions.tls, "
            "or allow it with ClientOptions.token_without_tls"
        )
