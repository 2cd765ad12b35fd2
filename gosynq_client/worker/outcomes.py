"""What an attempt can come to, as a closed set of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptError:
    """Why an attempt failed; details is a JSON object as bytes, or None."""

    type: str
    message: str
    stack_trace: str = ""
    non_retryable: bool = False
    details: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The job is done; result is None when there is none, and then content_type is empty."""

    result: bytes | None = None
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The attempt failed; retry_after, if given, stands in for the job's own back-off."""

    error: AttemptError
    retry_after: timedelta | None = None
    timed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Snoozed:
    """The job is put off by delay, uncounted."""

    delay: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The job is given back to be leased by another at once, uncounted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The attempt stopped because a cancel was asked for."""

    message: str = ""


Outcome: TypeAlias = Succeeded | Failed | Snoozed | Released | Cancelled
