"""Leases over the Work stream, which is opened again, here or at another server, whenever it breaks."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

import grpc

from gosynq.v1 import worker_pb2
from gosynq.v1.worker_service_pb2 import ExtendLeasesRequest
from gosynq_client.errors import SessionReplaced
from gosynq_client.remote.connection import WorkConnection
from gosynq_client.remote.lateness import Lateness
from gosynq_client.remote.messages import (
    MOST_IN_FLIGHT,
    extension_of,
    fitting,
    hello_message,
    lease_of,
    progress_message,
    ref_message,
    refusal_of,
    result_message,
)
from gosynq_client.remote.open_leases import OpenLeases
from gosynq_client.statuses import error_of_call
from gosynq_client.worker.leases import Exchange, Extension, LeaseState, Refusal, RefusalReason
from gosynq_client.worker.source import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from gosynq.v1.worker_service_pb2 import CancelNotice, GoAway, WorkerHello
    from gosynq.v1.worker_service_pb2_grpc import WorkerServiceAsyncStub
    from gosynq_client.errors import GosynqError
    from gosynq_client.remote.subscriptions import Profile
    from gosynq_client.worker.leases import Lease, ProgressReport, Result

_Item = TypeVar("_Item")

logger = logging.getLogger(__name__)

_CONNECTED_SECONDS: Final = 5.0
_LEAVING_SECONDS: Final = 5.0
_FIRST_RETRY_SECONDS: Final = 0.1
_MAX_RETRY_SECONDS: Final = 5.0
_MAX_DOUBLINGS: Final = 6
_FATAL: Final = frozenset({"INVALID_ARGUMENT", "UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED"})


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
        on_lost: Callable[[str, str], None],
        on_stop: Callable[[], None],
        on_connection: Callable[[], None] = lambda: None,
    ) -> None:
        """Take jobs as the profile says.

        on_cancel hears of cancels (job, reason), on_lost of leases that are void (job, token), on_stop when the worker
        is to end, on_connection whenever is_connected may be another.
        """
        self._stub = stub
        self._profile = profile
        self._on_cancel = on_cancel
        self._on_lost = on_lost
        self._on_stop = on_stop
        self._on_connection = on_connection
        self._connection: WorkConnection | None = None
        self._connected = asyncio.Event()
        self._ended = asyncio.Event()
        self._refusing = False
        self._leaving = False
        self._leases = OpenLeases()
        self._lateness = Lateness()
        self._cancels: dict[str, str] = {}
        self._arrived = asyncio.Event()
        self._wanted = 0

    @property
    def is_connected(self) -> bool:
        """Whether there is a server that answers."""
        return self._connection is not None

    async def run(self) -> None:
        """Keep a stream open until cancelled or left.

        Raises GosynqError where a server refuses this worker, SessionReplaced among them: of two processes with one
        worker id each would end the other's session for ever.
        """
        failures = 0
        while not self._leaving:
            began = asyncio.get_running_loop().time()
            problem = await self._stay_connected()
            if asyncio.get_running_loop().time() - began > _MAX_RETRY_SECONDS:
                failures = 0
            # A server that sent this worker away did so in good order: the next may be tried at once, but not for ever.
            if not self._leaving and (problem or failures):
                await _back_off(failures, problem)
            failures = min(failures + 1, _MAX_DOUBLINGS)

    async def exchange(self, results: Sequence[Result], wanted: int) -> Exchange:
        """Settle results and take what has come, up to what is wanted."""
        connection = await self._connection_in_time()
        self._wanted = wanted
        ended = [result.lease for result in results if self._leases.holds(result.lease)]
        await connection.limit(self._limit(less=len(ended)))
        refusals = await self._settle(connection, results) if results else []
        self._leases.forget(ended)
        if self._leases.doubtful(monotonic()):
            # Before a handler begins: what is lost may run elsewhere.
            with suppress(SourceUnavailable):
                await self.extend([])
        leases = self._taken()
        self._wanted = max(wanted - len(leases), 0)
        return Exchange(leases=leases, refusals=refusals, granted_at=self._leases.granted_at(leases))

    async def extend(self, leases: Sequence[Lease]) -> Sequence[Extension]:
        """Extend leases, and with them those that wait here."""
        connection = await self._connection_in_time()
        asked = {_key(lease): lease for lease in (*leases, *self._leases.waiting)}
        now, asked_at = datetime.now(UTC), monotonic()
        extensions: list[Extension] = []
        for part in _parts(list(asked.values())):
            for status in await connection.beat(part):
                lease = asked.get((status.job_id, status.lease_token))
                if lease is not None:
                    extensions.append(extension_of(status, lease))
        self._leases.forget(extension.lease for extension in extensions if extension.state is LeaseState.LOST)
        held = [extension.lease for extension in extensions if extension.state is LeaseState.ACTIVE]
        for lease in filter(self._leases.came_late, held):
            self._lateness.correct(lease, now)
        self._leases.trust(held, asked_at)
        self._remember_cancels(extension.lease.job_id for extension in extensions if extension.cancel_requested)
        theirs = {_key(lease) for lease in leases}
        return [extension for extension in extensions if _key(extension.lease) in theirs]

    async def report_progress(self, reports: Sequence[ProgressReport]) -> None:
        """Report progress."""
        connection = await self._connection_in_time()
        for part in _parts(reports):
            await connection.report([progress_message(report) for report in part])

    async def wait(self, timeout: timedelta) -> None:  # noqa: ASYNC109 - being over is no error
        """Return when leases have come."""
        if self._leases.waiting:
            return
        self._arrived.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout.total_seconds()):
                await self._arrived.wait()

    async def take_no_more(self) -> None:
        """Tell the server to hand out no more, and give back what comes all the same, until cancelled."""
        self._refusing = True
        if self._connection is not None:
            with suppress(SourceUnavailable):
                await self._connection.limit(0)
        while True:
            await self._give_back_waiting()
            self._arrived.clear()
            await self._arrived.wait()

    async def leave(self) -> None:
        """Close the stream after the last exchange, and give back what came meanwhile."""
        self._refusing = self._leaving = True
        if self._connection is not None:
            with suppress(SourceUnavailable, TimeoutError):
                await self._connection.close()
                async with asyncio.timeout(_LEAVING_SECONDS):
                    await self._ended.wait()
        await self._give_back_waiting()

    async def give_back(self, kept: Iterable[Lease]) -> None:
        """Give back, by calls beside the stream, which has ended for good, what is open and not to be kept."""
        kept_keys = {_key(lease) for lease in kept}
        for part in _parts([lease for lease in self._leases.all() if _key(lease) not in kept_keys]):
            await self._give_back(part)
            self._leases.forget(part)

    def leases_came(self, leases: Sequence[worker_pb2.Lease]) -> None:
        """Keep new leases until the runtime takes them."""
        now, came_at = datetime.now(UTC), monotonic()
        for message in leases:
            lease = lease_of(message)
            half = lease.lease_duration.total_seconds() / 2
            self._leases.come(lease, -inf if self._lateness.is_doubtful(lease, now) else came_at - half)
        self._arrived.set()

    def cancel_came(self, notice: CancelNotice) -> None:
        """Pass a cancel on, that of a lease which waits here once it is taken, and that of a void one as its loss."""
        if notice.lease_lost:
            self._lose((notice.lease.job_id, notice.lease.lease_token))
            return
        self._cancels[notice.lease.job_id] = notice.reason
        self._pass_cancels_on()

    def go_away_came(self, notice: GoAway) -> None:
        """Ask nothing more of this server, and go to another one; or end."""
        logger.info("asked to leave", extra={"reason": notice.reason, "stop": notice.stop})
        if notice.stop:
            self._on_stop()
        else:
            self._set_connection(None)

    async def _stay_connected(self) -> str:
        """Keep one stream to its end; say what it ended by, nothing where that was its good end."""
        connection = WorkConnection(self._stub.Work(), self)
        try:
            await self._open_session(connection)
            await connection.receive()
        except grpc.aio.AioRpcError as failure:
            error = error_of_call(failure)
            if _is_final(error):
                raise error from failure
            return f"{error.code}: {error}"
        except SourceUnavailable:
            return "it gave no answer in time"
        finally:
            self._set_connection(None)
            self._ended.set()
            connection.cancel()
        return ""

    async def _open_session(self, connection: WorkConnection) -> None:
        asked_at = monotonic()
        welcome = await connection.greet(self._hello())
        self._resume(welcome.held_leases, asked_at)
        self._ended.clear()
        self._set_connection(connection)
        logger.info("connected", extra={"server_id": welcome.server_id, "session_id": welcome.session_id})

    def _hello(self) -> WorkerHello:
        return hello_message(self._profile, held=self._leases.all(), max_in_flight=self._limit())

    def _resume(self, statuses: Sequence[worker_pb2.LeaseStatus], asked_at: float) -> None:
        """Take in what became of the open leases meanwhile: those that hold were extended."""
        for status in statuses:
            if status.state == worker_pb2.LEASE_STATE_LOST:
                self._lose((status.job_id, status.lease_token))
            elif status.cancel_requested:
                self._remember_cancels([status.job_id])
        named = {(status.job_id, status.lease_token) for status in statuses}
        self._leases.trust([lease for lease in self._leases.all() if _key(lease) in named], asked_at)
        self._pass_cancels_on()

    def _lose(self, lost: tuple[str, str]) -> None:
        self._leases.forget(lease for lease in self._leases.all() if _key(lease) == lost)
        self._on_lost(*lost)

    def _limit(self, *, less: int = 0) -> int:
        """Return how many leases may be open: those that the runtime has, but for some that end, and what it wants."""
        if self._refusing:
            return 0
        taken = len(self._leases) - len(self._leases.waiting) - less
        return min(max(taken, 0) + self._wanted, MOST_IN_FLIGHT)

    async def _settle(self, connection: WorkConnection, results: Sequence[Result]) -> list[Refusal]:
        refusals: list[Refusal] = []
        messages: list[worker_pb2.JobResult] = []
        offered = {_key(result.lease): result.lease for result in results}
        for result in results:
            try:
                messages.append(result_message(result))
            except ValueError as error:
                refusals.append(Refusal(lease=result.lease, reason=RefusalReason.INVALID, message=str(error)))
        for group in fitting(messages):
            for ack in await connection.settle(group):
                refusal = refusal_of(ack, offered[ack.lease.job_id, ack.lease.lease_token])
                if refusal is not None:
                    refusals.append(refusal)
        return refusals

    def _taken(self) -> list[Lease]:
        # At a stop what waits is on its way back.
        leases = [] if self._refusing else self._leases.take(monotonic())
        # What is returned here the runtime holds before the loop's next turn.
        asyncio.get_running_loop().call_soon(self._pass_cancels_on)
        return leases

    def _remember_cancels(self, jobs: Iterable[str]) -> None:
        for job_id in jobs:
            self._cancels.setdefault(job_id, "")

    def _pass_cancels_on(self) -> None:
        waiting = {lease.job_id for lease in self._leases.waiting}
        for job_id in self._cancels.keys() - waiting:
            self._on_cancel(job_id, self._cancels.pop(job_id))

    async def _give_back_waiting(self) -> None:
        while waiting := self._leases.waiting[:MOST_IN_FLIGHT]:
            await self._give_back(waiting)
            self._leases.forget(waiting)

    async def _give_back(self, leases: Sequence[Lease]) -> None:
        request = ExtendLeasesRequest(leases=map(ref_message, leases))
        request.extend_by.FromTimedelta(timedelta())
        try:
            await self._stub.ExtendLeases(request, timeout=_LEAVING_SECONDS)
        except grpc.aio.AioRpcError as failure:
            facts = {"leases": len(leases), "error": str(error_of_call(failure))}
            logger.warning("leases were not given back, they will run out", extra=facts)

    def _set_connection(self, connection: WorkConnection | None) -> None:
        self._connection = connection
        if connection is None:
            self._connected.clear()
        else:
            self._connected.set()
        self._on_connection()

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


def _parts(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), MOST_IN_FLIGHT):
        yield items[start : start + MOST_IN_FLIGHT]


async def _back_off(failures: int, problem: str) -> None:
    delay = min(_MAX_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2**failures) * random.uniform(0.5, 1)  # noqa: S311 - spreads load
    logger.warning("no stream to a server", extra={"problem": problem, "retry_in_seconds": round(delay, 3)})
    await asyncio.sleep(delay)


def _is_final(error: GosynqError) -> bool:
    return error.code in _FATAL or isinstance(error, SessionReplaced)
