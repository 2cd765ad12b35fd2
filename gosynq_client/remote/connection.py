"""One Work stream from its hello to its end: what was asked on it is answered, or fails with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import grpc

from gosynq.v1.worker_service_pb2 import FlowControl, JobResults, WorkerHeartbeat, WorkRequest
from gosynq.v1.worker_service_pb2 import ProgressReport as ProgressMessage
from gosynq_client.remote.messages import ref_message
from gosynq_client.worker.source import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gosynq.v1 import worker_pb2
    from gosynq.v1.worker_service_pb2 import CancelNotice, GoAway, JobProgressReport, WorkerHello, WorkerWelcome
    from gosynq_client.worker.leases import Lease

_ANSWER_SECONDS = 30.0


class Receiver(Protocol):
    """Who takes what a server sends by itself; each method returns at once."""

    def leases_came(self, leases: Sequence[worker_pb2.Lease]) -> None:
        """Take new leases."""

    def cancel_came(self, notice: CancelNotice) -> None:
        """Take the cancel of a job."""

    def go_away_came(self, notice: GoAway) -> None:
        """Leave this server."""


class WorkConnection:
    """A stream that has said hello. Everything that is asked raises SourceUnavailable once it has ended."""

    def __init__(self, call: grpc.aio.StreamStreamCall[Any, Any], receiver: Receiver) -> None:
        self._call = call
        self._receiver = receiver
        self._writing = asyncio.Lock()
        self._acks: dict[tuple[str, str], asyncio.Future[worker_pb2.JobResultAck]] = {}
        self._beats: dict[int, asyncio.Future[Sequence[worker_pb2.LeaseStatus]]] = {}
        self._sequence = 0
        self._max_in_flight = -1

    async def greet(self, hello: WorkerHello) -> WorkerWelcome:
        """Say hello and return the welcome; raises grpc.aio.AioRpcError."""
        self._max_in_flight = hello.max_in_flight
        await self._call.write(WorkRequest(hello=hello))
        response: Any = await self._call.read()
        if response is grpc.aio.EOF:
            raise SourceUnavailable
        welcome: WorkerWelcome = response.welcome
        return welcome

    async def receive(self) -> None:
        """Take what comes until the stream ends; raises grpc.aio.AioRpcError where that is not its good end."""
        try:
            while (response := await self._call.read()) is not grpc.aio.EOF:
                self._take(response)
        finally:
            self._fail()

    async def limit(self, max_in_flight: int) -> None:
        """Let at most so many leases be open."""
        if max_in_flight != self._max_in_flight:
            self._max_in_flight = max_in_flight
            await self._send(WorkRequest(flow_control=FlowControl(max_in_flight=max_in_flight)))

    async def settle(self, results: Sequence[worker_pb2.JobResult]) -> list[worker_pb2.JobResultAck]:
        """Send results and return their acknowledgements, in their order."""
        loop = asyncio.get_running_loop()
        waiting = {(told.lease.job_id, told.lease.lease_token): loop.create_future() for told in results}
        self._acks |= waiting
        try:
            await self._send(WorkRequest(results=JobResults(results=results)))
            acks: list[worker_pb2.JobResultAck] = await _in_time(asyncio.gather(*waiting.values()))
            return acks
        finally:
            for key in waiting:
                self._acks.pop(key, None)

    async def beat(self, leases: Sequence[Lease]) -> Sequence[worker_pb2.LeaseStatus]:
        """Extend leases and return what became of them, in their order."""
        self._sequence += 1
        sequence = self._sequence
        answer = self._beats[sequence] = asyncio.get_running_loop().create_future()
        try:
            heartbeat = WorkerHeartbeat(sequence=sequence, leases=map(ref_message, leases))
            await self._send(WorkRequest(heartbeat=heartbeat))
            statuses: Sequence[worker_pb2.LeaseStatus] = await _in_time(answer)
            return statuses
        finally:
            self._beats.pop(sequence, None)

    async def report(self, reports: Sequence[JobProgressReport]) -> None:
        """Report progress."""
        await self._send(WorkRequest(progress=ProgressMessage(reports=reports)))

    async def close(self) -> None:
        """Close this side; the server ends the stream when everything is acknowledged."""
        async with self._writing:
            await self._call.done_writing()

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

    async def _send(self, request: WorkRequest) -> None:
        try:
            async with self._writing:
                await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise SourceUnavailable from error

    def _fail(self) -> None:
        futures: list[asyncio.Future[Any]] = [*self._acks.values(), *self._beats.values()]
        for waiting in futures:
            if not waiting.done():
                waiting.set_exception(SourceUnavailable())


def _answer(waiting: asyncio.Future[Any] | None, answer: Any) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(answer)


async def _in_time(waiting: asyncio.Future[Any]) -> Any:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await waiting
    except TimeoutError as error:
        raise SourceUnavailable from error
