"""Leases over the Work stream, which is opened again, here or at another server, whenever it breaks."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from typing import TYPE_CHECKING, Final

import grpc

from gosynq.v1 import worker_pb2
from gosynq_client.remote.connection import WorkConnection
from gosynq_client.remote.messages import (
    MOST_IN_FLIGHT,
    extension_of,
    hello_message,
    lease_of,
    progress_message,
    refusal_of,
    result_message,
)
from gosynq_client.worker.leases import Exchange, Extension, LeaseState, Refusal, RefusalReason
from gosynq_client.worker.source import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import timedelta

    from gosynq.v1.worker_service_pb2 import CancelNotice, GoAway, WorkerHello
    from gosynq.v1.worker_service_pb2_grpc import WorkerServiceAsyncStub
    from gosynq_client.remote.subscriptions import Profile
    from gosynq_client.worker.leases import Lease, ProgressReport, Result

logger = logging.getLogger(__name__)

_CONNECTED_SECONDS: Final = 5.0
_FIRST_RETRY_SECONDS: Final = 0.1
_MAX_RETRY_SECONDS: Final = 5.0
_MAX_DOUBLINGS: Final = 6
_RESULTS_AT_ONCE: Final = 500
_FATAL: Final = frozenset(
    {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
)


class StreamLeaseSource:
    """A source of leases for one worker.

    The server pushes leases up to a limit that follows from what the runtime asks for; those that were pushed and not
    taken yet wait here, and are kept alive with the others. After a break the open leases are named again.
    """

    def __init__(
        self,
        stub: WorkerServiceAsyncStub,
        profile: Profile,
        *,
        on_cancel: Callable[[str, str], None],
        on_stop: Callable[[], None],
    ) -> None:
        """Take jobs as the profile says; on_cancel hears of cancels, on_stop when the worker is to end."""
        self._stub = stub
        self._profile = profile
        self._on_cancel = on_cancel
        self._on_stop = on_stop
        self._connection: WorkConnection | None = None
        self._connected = asyncio.Event()
        self._open: dict[tuple[str, str], Lease] = {}
        self._waiting: deque[Lease] = deque()
        self._arrived = asyncio.Event()
        self._wanted = 0

    @property
    def is_connected(self) -> bool:
        """Whether there is a server that answers."""
        return self._connection is not None

    async def run(self) -> None:
        """Keep a stream open until cancelled; raises grpc.aio.AioRpcError where a server refuses this worker."""
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._stay_connected()
                failures = 0
                continue
            except (grpc.aio.AioRpcError, SourceUnavailable) as error:
                _raise_if_fatal(error)
                if asyncio.get_running_loop().time() - began > _MAX_RETRY_SECONDS:
                    failures = 0
            await _back_off(failures)
            failures = min(failures + 1, _MAX_DOUBLINGS)

    async def exchange(self, results: Sequence[Result], wanted: int) -> Exchange:
        """Settle results and take what has come, up to what is wanted."""
        connection = await self._connection_in_time()
        keys = [_key(result.lease) for result in results]
        self._wanted = wanted
        ended = sum(key in self._open for key in keys)
        # What waits here counts as open, and is part of what is wanted.
        await connection.limit(min(len(self._open) - ended - len(self._waiting) + wanted, MOST_IN_FLIGHT))
        refusals = await self._settle(connection, results) if results else []
        for key in keys:
            self._open.pop(key, None)
        return Exchange(leases=self._taken(), refusals=refusals)

    async def extend(self, leases: Sequence[Lease]) -> Sequence[Extension]:
        """Extend leases, and with them those that wait here."""
        connection = await self._connection_in_time()
        asked = [*leases, *self._waiting]
        statuses = await connection.beat(asked)
        extensions = [extension_of(status, lease) for status, lease in zip(statuses, asked, strict=True)]
        self._forget(extension.lease for extension in extensions if extension.state is LeaseState.LOST)
        return extensions[: len(leases)]

    async def report_progress(self, reports: Sequence[ProgressReport]) -> None:
        """Report progress."""
        connection = await self._connection_in_time()
        await connection.report([progress_message(report) for report in reports])

    async def wait(self, timeout: timedelta) -> None:  # noqa: ASYNC109 - being over is no error
        """Return when leases have come."""
        if self._waiting:
            return
        self._arrived.clear()
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await self._arrived.wait()
        except TimeoutError:
            return

    async def leave(self) -> None:
        """Close the stream after the last exchange."""
        if self._connection is not None:
            await self._connection.close()

    def leases_came(self, leases: Sequence[worker_pb2.Lease]) -> None:
        """Keep new leases until the runtime takes them."""
        for message in leases:
            lease = lease_of(message)
            self._open[_key(lease)] = lease
            self._waiting.append(lease)
        self._arrived.set()

    def cancel_came(self, notice: CancelNotice) -> None:
        """Pass a cancel on."""
        self._on_cancel(notice.lease.job_id, notice.reason)

    def go_away_came(self, notice: GoAway) -> None:
        """Leave this server for another one, or end."""
        logger.info("asked to leave", extra={"reason": notice.reason, "stop": notice.stop})
        if notice.stop:
            self._on_stop()
        elif self._connection is not None:
            self._connection.cancel()

    async def _stay_connected(self) -> None:
        connection = WorkConnection(self._stub.Work(), self)
        try:
            held = list(self._open.values())
            welcome = await connection.greet(self._hello(held))
            self._resume(held, welcome.held_leases)
            self._connection = connection
            self._connected.set()
            await connection.receive()
        finally:
            self._connection = None
            self._connected.clear()
            connection.cancel()

    def _hello(self, held: Sequence[Lease]) -> WorkerHello:
        limit = max(len(held) - len(self._waiting) + self._wanted, 0)
        return hello_message(self._profile, held=held, max_in_flight=limit)

    def _resume(self, held: Sequence[Lease], statuses: Sequence[worker_pb2.LeaseStatus]) -> None:
        """Forget what is lost of the leases that wait here; the runtime hears of its own at the next heartbeat."""
        lost = [
            lease for lease, status in zip(held, statuses, strict=True) if status.state == worker_pb2.LEASE_STATE_LOST
        ]
        self._forget(lost)

    async def _settle(self, connection: WorkConnection, results: Sequence[Result]) -> list[Refusal]:
        refusals: list[Refusal] = []
        messages, offered = [], []
        for result in results:
            try:
                messages.append(result_message(result))
                offered.append(result.lease)
            except ValueError as error:
                refusals.append(Refusal(lease=result.lease, reason=RefusalReason.INVALID, message=str(error)))
        for start in range(0, len(messages), _RESULTS_AT_ONCE):
            part = slice(start, start + _RESULTS_AT_ONCE)
            for ack, lease in zip(await connection.settle(messages[part]), offered[part], strict=True):
                if (refusal := refusal_of(ack, lease)) is not None:
                    refusals.append(refusal)
        return refusals

    def _taken(self) -> list[Lease]:
        leases = list(self._waiting)
        self._waiting.clear()
        return leases

    def _forget(self, lost: Iterable[Lease]) -> None:
        keys = {_key(lease) for lease in lost}
        if keys:
            self._waiting = deque(lease for lease in self._waiting if _key(lease) not in keys)
            for key in keys:
                self._open.pop(key, None)

    async def _connection_in_time(self) -> WorkConnection:
        if self._connection is None:
            try:
                async with asyncio.timeout(_CONNECTED_SECONDS):
                    await self._connected.wait()
            except TimeoutError as error:
                raise SourceUnavailable from error
        if self._connection is None:
            raise SourceUnavailable
        return self._connection


def _key(lease: Lease) -> tuple[str, str]:
    return lease.job_id, lease.lease_token


async def _back_off(failures: int) -> None:
    delay = min(_MAX_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2**failures) * random.uniform(0.5, 1)  # noqa: S311 - spreads load
    logger.warning("no stream to a server", extra={"retry_in_seconds": round(delay, 3)})
    await asyncio.sleep(delay)


def _raise_if_fatal(error: Exception) -> None:
    if isinstance(error, grpc.aio.AioRpcError) and error.code() in _FATAL:
        raise error
