"""One Work stream from its hello to its end: what was asked on it is answered, or fails with it."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import grpc

from gosynq.v1.worker_service_pb2 import FlowControl, JobResults, WorkerHeartbeat, WorkRequest
from gosynq.v1.worker_service_pb2 import ProgressReport as ProgressMessage
from gosynq_client.remote.messages import ref_message
from gosynq_client.worker.source import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence

    from gosynq.v1 import worker_pb2
    from gosynq.v1.worker_service_pb2 import CancelNotice, GoAway, JobProgressReport, WorkerHello, WorkerWelcome
    from gosynq_client.worker.leases import Lease

_ANSWER_SECONDS = 10.0
"""How long a server may take over an answer, its database included; then another one may be faster."""

_Answer = TypeVar("_Answer")


class Receiver(Protocol):
    """Who takes what a server sends by itself; each method returns at once."""

    def leases_came(self, leases: Sequence[worker_pb2.Lease]) -> None:
        """Take new leases."""

    def cancel_came(self, notice: CancelNotice) -> None:
        """Take the cancel of a job."""

    def go_away_came(self, notice: GoAway) -> None:
        """Ask nothing more of this server, or stop."""


class WorkConnection:
    """A stream that has said hello. Everything that is asked raises SourceUnavailable once it has ended.

    A question that finds no answer within patience ends the stream; one that is cancelled is sent all the same.
    """

    def __init__(
        self, call: grpc.aio.StreamStreamCall[Any, Any], receiver: Receiver, *, patience: float = _ANSWER_SECONDS
    ) -> None:
        self._call = call
        self._receiver = receiver
        self._patience = patience
        self._writing = asyncio.Lock()
        self._acks: dict[tuple[str, str], asyncio.Future[worker_pb2.JobResultAck]] = {}
        self._beats: dict[int, asyncio.Future[Sequence[worker_pb2.LeaseStatus]]] = {}
        self._sequence = 0
        self._max_in_flight = -1

    async def greet(self, hello: WorkerHello) -> WorkerWelcome:
        """Say hello and return the welcome; raises grpc.aio.AioRpcError, SourceUnavailable for no answer in time."""
        self._max_in_flight = hello.max_in_flight
        response = await self._in_time(self._greeting(hello))
        welcome: WorkerWelcome = response.welcome
        return welcome

    async def receive(self) -> None:
        """Take what comes until the stream ends.

        Raises grpc.aio.AioRpcError where that is not its good end, SourceUnavailable where this side ended it.
        """
        try:
            while (response := await self._read()) is not grpc.aio.EOF:
                self._take(response)
                if response.HasField("go_away") and not response.go_away.stop:
                    await self.close()
        finally:
            self._fail()

    async def limit(self, max_in_flight: int) -> None:
        """Let at most so many leases be open."""
        if max_in_flight != self._max_in_flight:
            await self._in_time(self._send(WorkRequest(flow_control=FlowControl(max_in_flight=max_in_flight))))
            self._max_in_flight = max_in_flight

    async def settle(self, results: Sequence[worker_pb2.JobResult]) -> list[worker_pb2.JobResultAck]:
        """Send results and return their acknowledgements, in their order."""
        loop = asyncio.get_running_loop()
        waiting = {(told.lease.job_id, told.lease.lease_token): loop.create_future() for told in results}
        self._acks |= waiting
        try:
            request = WorkRequest(results=JobResults(results=results))
            acks: list[worker_pb2.JobResultAck] = await self._in_time(self._asked(request, *waiting.values()))
            return acks
        finally:
            for key in waiting:
                self._acks.pop(key, None)

    async def beat(self, leases: Sequence[Lease]) -> Sequence[worker_pb2.LeaseStatus]:
        """Extend leases and return what became of them."""
        self._sequence += 1
        sequence = self._sequence
        answer = self._beats[sequence] = asyncio.get_running_loop().create_future()
        try:
            heartbeat = WorkerHeartbeat(sequence=sequence, leases=map(ref_message, leases))
            answers = await self._in_time(self._asked(WorkRequest(heartbeat=heartbeat), answer))
            statuses: Sequence[worker_pb2.LeaseStatus] = answers[0]
            return statuses
        finally:
            self._beats.pop(sequence, None)

    async def report(self, reports: Sequence[JobProgressReport]) -> None:
        """Report progress."""
        await self._in_time(self._send(WorkRequest(progress=ProgressMessage(reports=reports))))

    async def close(self) -> None:
        """Close this side; the server ends the stream when everything is acknowledged."""
        await self._in_time(self._close())

    def cancel(self) -> None:
        """End the stream at once."""
        self._call.cancel()
        self._fail()

    def _take(self, response: Any) -> None:
        match response.WhichOneof("message"):
            case "leases":
                self._receiver.leases_came(response.leases.leases)
            case "result_acks":
                for ack in response.result_acks.acks:
                    _answer(self._acks.get((ack.lease.job_id, ack.lease.lease_token)), ack)
            case "heartbeat_ack":
                _answer(self._beats.get(response.heartbeat_ack.sequence), response.heartbeat_ack.leases)
            case "cancels":
                for notice in response.cancels.cancels:
                    self._receiver.cancel_came(notice)
            case "go_away":
                self._receiver.go_away_came(response.go_away)

    async def _greeting(self, hello: WorkerHello) -> Any:
        async with self._writing:
            await self._call.write(WorkRequest(hello=hello))
        response: Any = await self._call.read()
        if response is grpc.aio.EOF:
            raise SourceUnavailable
        return response

    async def _read(self) -> Any:
        with _ended_by_ourselves():
            return await self._call.read()

    async def _asked(self, request: WorkRequest, *answers: asyncio.Future[Any]) -> list[Any]:
        await self._send(request)
        return await asyncio.gather(*answers)

    async def _send(self, request: WorkRequest) -> None:
        try:
            # The library ends a stream whose writer is cancelled, as a heartbeat may be at the worker's own good end.
            await asyncio.shield(self._write(request))
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise SourceUnavailable from error

    async def _write(self, request: WorkRequest) -> None:
        async with self._writing:
            await self._call.write(request)

    async def _close(self) -> None:
        async with self._writing:
            await self._call.done_writing()

    async def _in_time(self, asking: Coroutine[Any, Any, _Answer]) -> _Answer:
        try:
            async with asyncio.timeout(self._patience):
                with _ended_by_ourselves():
                    return await asking
        except TimeoutError as error:
            self.cancel()
            raise SourceUnavailable from error

    def _fail(self) -> None:
        futures: list[asyncio.Future[Any]] = [*self._acks.values(), *self._beats.values()]
        for waiting in futures:
            waiting.cancel()


def _answer(waiting: asyncio.Future[Any] | None, answer: Any) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(answer)


@contextmanager
def _ended_by_ourselves() -> Iterator[None]:
    """Raise SourceUnavailable where the library says by CancelledError, which would end a task, that its call ended."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise SourceUnavailable from error
