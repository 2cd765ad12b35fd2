"""What a handler may answer beside a result: put the job off, give it up, or fail in an exact form."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Snooze:
    """Returned by a handler, not raised: run the job again after delay, without counting this attempt."""

    delay: timedelta

    def __post_init__(self) -> None:
        if self.delay < timedelta(0):
            raise ValueError("a job cannot be snoozed into the past")


@dataclass(frozen=True, slots=True)
class Discard:
    """Returned by a handler, not raised: the job has failed for good, whatever retries it has left."""

    reason: str


Answer: TypeAlias = "dict[str, Any] | Snooze | Discard | None"
"""What a handler returns; a dict is the job's result and must be a JSON object."""


class JobFailure(Exception):
    """Raised by a handler: the attempt failed, in this exact form.

    type is a stable class of failure for machines (the exception's own name unless given); retry_after stands in for
    the job's back-off; details must be a JSON object: TypeError or ValueError is raised at once if it is not.
    """

    def __init__(
        self,
        message: str,
        *,
        type: str | None = None,  # noqa: A002 -- the word of the contract
        retry_after: timedelta | None = None,
        non_retryable: bool = False,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        if retry_after is not None and retry_after < timedelta(0):
            raise ValueError("a job cannot be retried in the past")
        self.type = type or self.__class__.__name__
        self.retry_after = retry_after
        self.non_retryable = non_retryable
        self.details = None if details is None else encode_object(details)


def encode_object(value: Mapping[str, Any]) -> bytes:
    """Encode a JSON object; raise TypeError, ValueError or RecursionError for what JSON or UTF-8 cannot hold."""
    return json.dumps(dict(value), allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
