"""Moments, lengths, texts and enums between the wire and the domain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from google.protobuf import duration_pb2, timestamp_pb2

from gosynq.v1 import job_pb2
from gosynq_server.domain.errors import FieldViolation, ValidationFailed
from gosynq_server.domain.job import AttemptOutcome, DebounceMode, JobStatus, Priority
from gosynq_server.domain.retry import BackoffStrategy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

STATUS_NUMBERS = {status: job_pb2.JobStatus.Value(f"JOB_STATUS_{status.name}") for status in JobStatus}
PRIORITY_NUMBERS = {priority: job_pb2.JobPriority.Value(f"JOB_PRIORITY_{priority.name}") for priority in Priority}
STRATEGY_NUMBERS = {
    strategy: job_pb2.BackoffStrategy.Value(f"BACKOFF_STRATEGY_{strategy.name}") for strategy in BackoffStrategy
}
OUTCOME_NUMBERS = {AttemptOutcome.RUNNING: job_pb2.ATTEMPT_OUTCOME_UNSPECIFIED} | {
    outcome: job_pb2.AttemptOutcome.Value(f"ATTEMPT_OUTCOME_{outcome.name}")
    for outcome in set(AttemptOutcome) - {AttemptOutcome.RUNNING}
}
STATUSES: dict[int, JobStatus] = {number: status for status, number in STATUS_NUMBERS.items()}
PRIORITIES: dict[int, Priority | None] = {0: None} | {number: level for level, number in PRIORITY_NUMBERS.items()}
STRATEGIES: dict[int, BackoffStrategy | None] = {0: None} | {number: one for one, number in STRATEGY_NUMBERS.items()}
DEBOUNCE_MODES: dict[int, DebounceMode] = {
    job_pb2.DEBOUNCE_MODE_UNSPECIFIED: DebounceMode.KEEP,
    job_pb2.DEBOUNCE_MODE_KEEP: DebounceMode.KEEP,
    job_pb2.DEBOUNCE_MODE_REPLACE: DebounceMode.REPLACE,
    job_pb2.DEBOUNCE_MODE_RESCHEDULE: DebounceMode.RESCHEDULE,
}

# The first and the last moment that Python has stand for infinity where moments are stored.
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
_AFTER_ALL = datetime.max.replace(tzinfo=UTC)
_FIRST_SECOND = int((_BEFORE_ALL - EPOCH).total_seconds())
_LAST_SECOND = int((_AFTER_ALL.replace(microsecond=0) - EPOCH).total_seconds())
_LONGEST_SECONDS = 315_576_000_000
_NANOS = 1_000_000_000


_ANSWERING_TIME = timedelta(seconds=0.5)
_DEADLINE_ROUNDING = 1.01
"""A caller's deadline arrives rounded up to three digits: as much as one part in a hundred later than it is."""


def refusal(field: str, description: str, reason: str) -> ValidationFailed:
    """Return the error that names one broken rule of one field."""
    return ValidationFailed((FieldViolation(field=field, description=description, reason=reason),))


def moment_of(stamp: timestamp_pb2.Timestamp, field: str) -> datetime:
    """Return the moment, cut to microseconds; ValidationFailed for none, and for the first and the last of all."""
    if not (_FIRST_SECOND <= stamp.seconds <= _LAST_SECOND and 0 <= stamp.nanos < _NANOS):
        raise refusal(field, "must be a moment in the years 1 to 9999", "timestamp.range")
    moment = EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
    if moment in {_BEFORE_ALL, _AFTER_ALL}:
        problem = "must lie between 0001-01-01T00:00:00.000001Z and 9999-12-31T23:59:59.999998Z"
        raise refusal(field, problem, "timestamp.range")
    return moment


def length_of(duration: duration_pb2.Duration, field: str) -> timedelta:
    """Return the length, cut to microseconds; ValidationFailed if it is none (google/protobuf/duration.proto)."""
    seconds, nanos = duration.seconds, duration.nanos
    if abs(seconds) > _LONGEST_SECONDS or abs(nanos) >= _NANOS or seconds * nanos < 0:
        raise refusal(field, "must be a well-formed duration of at most 10000 years", "duration.range")
    return timedelta(seconds=seconds, microseconds=int(nanos / 1000))


def given(message: Message, name: str) -> Any:
    """Return the value of an optional field, or None where it is unset."""
    return getattr(message, name) if message.HasField(name) else None


def length_given(message: Message, name: str, path: str) -> timedelta | None:
    """Return the length in a field, or None where it is unset; ValidationFailed names the field below path."""
    return length_of(getattr(message, name), f"{path}.{name}") if message.HasField(name) else None


def text_of(text: str, field: str) -> str:
    """Return the text; ValidationFailed if it holds a NUL character, which PostgreSQL can't store."""
    if "\0" in text:
        raise _nul(field)
    return text


def texts_of(texts: Mapping[str, str], field: str) -> dict[str, str]:
    """Return a map of texts; ValidationFailed naming the key whose value holds a NUL character."""
    if not texts:
        return {}
    copied = dict(texts)
    for key, value in copied.items():
        if "\0" in value:
            raise _nul(f"{field}[{key!r}]")
    return copied


def timestamp(moment: datetime | None) -> timestamp_pb2.Timestamp | None:
    """Return the message for an aware moment."""
    return None if moment is None else moment_message(moment)


def moment_message(moment: datetime) -> timestamp_pb2.Timestamp:
    """Return the message for an aware moment that there is."""
    since = moment - EPOCH
    return timestamp_pb2.Timestamp(seconds=since.days * 86400 + since.seconds, nanos=since.microseconds * 1000)


# Jobs share a few lengths, and a message that is put into another one is copied.
@lru_cache(maxsize=256)
def duration(length: timedelta | None) -> duration_pb2.Duration | None:
    """Return the message for a length that is not negative."""
    if length is None:
        return None
    return duration_pb2.Duration(seconds=length.days * 86400 + length.seconds, nanos=length.microseconds * 1000)


def wait_of(asked: timedelta, remaining: float | None) -> timedelta:
    """Return how long a call may wait: what was asked, but half a second less than its deadline (seconds) leaves."""
    if remaining is None:
        return asked
    left = timedelta(seconds=remaining / _DEADLINE_ROUNDING) - _ANSWERING_TIME
    return max(timedelta(), min(asked, left))


def _nul(field: str) -> ValidationFailed:
    return refusal(field, "must not contain a NUL character", "string.nul")
