"""What a caller can be refused for: one class per situation, the docstring being the message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One broken rule: the field's path, what is wrong, and the rule's id."""

    field: str
    description: str
    reason: str = ""


class GosynqError(Exception):
    """Something went wrong."""

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, **metadata: object) -> None:
        """Keep the facts, which the message may name in braces."""
        self.metadata = {name: str(value) for name, value in metadata.items()}
        super().__init__((type(self).__doc__ or "").format(**self.metadata))


class ValidationFailed(GosynqError):
    """{summary}."""

    reason = "VALIDATION_FAILED"

    def __init__(self, violations: tuple[FieldViolation, ...]) -> None:
        """Name every broken rule."""
        first = violations[0]
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        super().__init__(summary=f"{first.field}: {first.description}{more}")
        self.metadata = {}
        self.violations = violations


class ScheduleInvalid(ValidationFailed):
    """{summary}."""

    reason = "SCHEDULE_INVALID"


class PayloadTooLarge(GosynqError):
    """The payload has {size} bytes; the limit is {limit}."""

    reason = "PAYLOAD_TOO_LARGE"


class UpdateMaskInvalid(GosynqError):
    """The update mask names {path}, which can't be updated."""

    reason = "UPDATE_MASK_INVALID"


class FilterInvalid(GosynqError):
    """The filter does not parse at position {position}: {problem}."""

    reason = "FILTER_INVALID"


class PageTokenInvalid(GosynqError):
    """The page token was made by another call, or changed."""

    reason = "PAGE_TOKEN_INVALID"


class CursorInvalid(GosynqError):
    """The cursor is none of this database's history; start again with a snapshot."""

    reason = "CURSOR_INVALID"


class CursorExpired(GosynqError):
    """The cursor is older than the events that are kept; start again with a snapshot, or with oldest_cursor."""

    reason = "CURSOR_EXPIRED"


class SlowConsumer(GosynqError):
    """The watch ends, as nothing was taken from it for {seconds} s; resume from the last cursor seen."""

    reason = "SLOW_CONSUMER"


class ProtocolViolation(GosynqError):
    """The stream's protocol has no such message here: {problem}."""

    reason = "PROTOCOL_VIOLATION"


class SessionReplaced(GosynqError):
    """Another stream said hello as {worker_id}."""

    reason = "SESSION_REPLACED"


class JobNotFound(GosynqError):
    """Job {job_id} not found."""

    reason = "JOB_NOT_FOUND"


class ScheduleNotFound(GosynqError):
    """Schedule {schedule_id} not found."""

    reason = "SCHEDULE_NOT_FOUND"


class ScheduleExists(GosynqError):
    """There is a schedule {schedule_id} already."""

    reason = "SCHEDULE_EXISTS"


class WorkerNotFound(GosynqError):
    """Worker {worker_id} not found: no server has heard of it for a minute, or it left."""

    reason = "WORKER_NOT_FOUND"


class QueueNotFound(GosynqError):
    """Queue {queue} not found."""

    reason = "QUEUE_NOT_FOUND"


class IdempotencyKeyReused(GosynqError):
    """The idempotency key names job {job_id} of queue {queue}, which has another spec."""

    reason = "IDEMPOTENCY_KEY_REUSED"


class JobTerminal(GosynqError):
    """Job {job_id} is {status} and can't be changed."""

    reason = "JOB_TERMINAL"


class JobProcessing(GosynqError):
    """Job {job_id} is being processed by {worker_id}."""

    reason = "JOB_PROCESSING"


class QueueDraining(GosynqError):
    """Queue {queue} is draining and takes no new jobs."""

    reason = "QUEUE_DRAINING"


class QueueDeleting(GosynqError):
    """Queue {queue} is being deleted."""

    reason = "QUEUE_DELETING"


class QueueNotEmpty(GosynqError):
    """Queue {queue} has {jobs} jobs; with force they are deleted as well."""

    reason = "QUEUE_NOT_EMPTY"


class EtagMismatch(GosynqError):
    """It has changed since it was read; its etag is {etag} now."""

    reason = "ETAG_MISMATCH"


class LeaseLost(GosynqError):
    """The lease of job {job_id} is lost; the job is {status}."""

    reason = "LEASE_LOST"


class Retryable(GosynqError):
    """Try again after a while."""

    retry_after: ClassVar[timedelta] = timedelta(seconds=1)


class QueueFull(Retryable):
    """Queue {queue} has {limit} pending jobs and takes no more."""

    reason = "QUEUE_FULL"


class DatabaseUnavailable(Retryable):
    """The database can't be reached; what was asked may or may not have been done."""

    reason = "DATABASE_UNAVAILABLE"


class DatabaseBusy(Retryable):
    """The database did not get to it in time; nothing was done."""

    reason = "DATABASE_UNAVAILABLE"


class StorageFull(GosynqError):
    """The database has no room for it; what is stored is safe."""

    reason = "STORAGE_FULL"


class ServerDraining(GosynqError):
    """The server is stopping; try another one."""

    reason = "SERVER_DRAINING"
