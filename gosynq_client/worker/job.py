"""A job as its handler sees it."""

from __future__ import annotations

import asyncio
import json
from operator import index
from typing import TYPE_CHECKING, Any, Final, NoReturn

from gosynq_client.worker.answers import JobFailure
from gosynq_client.worker.leases import ProgressReport
from gosynq_client.worker.verdicts import JSON, cut_end

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from gosynq_client.worker.leases import Lease

MAX_PROGRESS_MESSAGE_BYTES: Final = 1024

_MAX_PROGRESS = 2**63 - 1
_UNREAD: Final = object()


class Job:
    """One attempt at a job. Readable from any thread.

    A handler that is to stop finds cancel_requested set. In an async one asyncio.CancelledError comes up as well, at
    its next await. A plain function, in its thread, has to look, between steps of work that takes long:

        for row in rows:
            if job.cancel_requested:
                return
            convert(row)

    Whatever it returns or raises then, the attempt comes to what it was stopped for. Its lease is kept until it does,
    at most for RuntimeOptions.thread_grace (10 s); then its job is settled without it, and may run anew beside it.

    report takes the progress and may be called from any thread.
    """

    __slots__ = ("_cancel_requested", "_lease", "_payload", "_report")

    def __init__(self, lease: Lease, report: Callable[[ProgressReport], None]) -> None:
        self._lease = lease
        self._report = report
        self._payload: Any = _UNREAD
        self._cancel_requested = False

    @property
    def id(self) -> str:
        """The job's id, opaque."""
        return self._lease.job_id

    @property
    def queue(self) -> str:
        """The queue that it came from."""
        return self._lease.queue

    @property
    def kind(self) -> str:
        """What there is to do: the name that the handler is registered for."""
        return self._lease.kind

    @property
    def priority(self) -> int:
        """Its order inside the queue; higher is sooner."""
        return self._lease.priority

    @property
    def payload(self) -> Any:
        """The payload: decoded, once, if it is JSON; else its bytes.

        Raises JobFailure, non-retryable, if it says that it is JSON and is not.
        """
        if self._payload is _UNREAD:
            self._payload = self._read_payload()
        return self._payload

    @property
    def payload_bytes(self) -> bytes:
        """The payload as it was enqueued."""
        return self._lease.payload

    @property
    def content_type(self) -> str:
        """The media type of payload_bytes."""
        return self._lease.content_type

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1; what is not counted does not raise it."""
        return self._lease.attempt

    @property
    def lease_seq(self) -> int:
        """The fencing number: it rises with every lease of the job. Hand it to what must refuse a stale attempt."""
        return self._lease.lease_seq

    @property
    def max_retries(self) -> int:
        """How often a failed attempt is followed by another."""
        return self._lease.max_retries

    @property
    def labels(self) -> Mapping[str, str]:
        """What the job is found by."""
        return self._lease.labels

    @property
    def headers(self) -> Mapping[str, str]:
        """What travels with the job, such as a trace context."""
        return self._lease.headers

    @property
    def created_at(self) -> datetime:
        """When it was enqueued."""
        return self._lease.created_at

    @property
    def run_at(self) -> datetime:
        """When it was due."""
        return self._lease.run_at

    @property
    def cancel_requested(self) -> bool:
        """Whether to stop: a cancel was asked for, the lease was lost, time is up, or the worker stops."""
        return self._cancel_requested

    def request_cancel(self) -> None:
        """Ask the handler to stop; for the runtime, and for tests of handlers."""
        self._cancel_requested = True

    async def progress(self, current: int, total: int = 0, message: str = "") -> None:
        """Tell how far the attempt is, in its own unit; total is 0 when not known.

        Best effort: reports are sent in batches, and the last one of a job wins. Raises ValueError for numbers below 0
        or beyond 64 bits, TypeError for what is no whole number. Lets other work run, so that a cancel can come in.
        """
        self.progress_sync(current, total, message)
        await asyncio.sleep(0)

    def progress_sync(self, current: int, total: int = 0, message: str = "") -> None:
        """Tell the same from a plain function, on any thread; never waits."""
        report = ProgressReport(
            lease=self._lease,
            current=_counted(current),
            total=_counted(total),
            message=cut_end(message, MAX_PROGRESS_MESSAGE_BYTES),
        )
        self._report(report)

    def _read_payload(self) -> Any:
        if self.content_type.partition(";")[0].strip().lower() != JSON:
            return self.payload_bytes
        try:
            return json.loads(self.payload_bytes, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise JobFailure(f"the payload is not JSON: {error}", type="InvalidPayload", non_retryable=True) from error


def _counted(number: int) -> int:
    if not 0 <= index(number) <= _MAX_PROGRESS:
        raise ValueError(f"progress lies between 0 and {_MAX_PROGRESS}")
    return index(number)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")
