"""One Work stream, as the server at its other end sees it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import grpc

from gosynq.v1 import worker_pb2
from gosynq.v1.worker_service_pb2 import (
    HeartbeatAck,
    JobResultAcks,
    WorkerHello,
    WorkerWelcome,
    WorkRequest,
    WorkResponse,
)
from gosynq_server.conformance.book import key_of
from gosynq_server.domain.errors import ValidationFailed
from gosynq_server.rpc.convert import duration
from gosynq_server.rpc.validation import check

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gosynq_server.conformance.book import HandedOut, Key
    from gosynq_server.conformance.record import Record

_SHOWN = 200
_HANG_UP_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """A heartbeat: when it came, by time.monotonic(), and the leases that it named."""

    at: float
    leases: frozenset[Key]


class _BrokenOff(Exception):
    """The stream ends now."""


class Session:
    """Reads what a worker says into the record and answers as a server does; what else is said comes by `send`.

    limit: the last max_in_flight. messages: how many came. has_closed: the worker closed its side. has_ended: the
    stream is over, whoever ended it.
    """

    def __init__(self, record: Record, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self.hello: WorkerHello | None = None
        self.limit = 0
        self.beats: list[Beat] = []
        self.messages = 0
        self.has_closed = False
        self.has_ended = False
        self._record = record
        self._context = context
        self._outgoing: asyncio.Queue[WorkResponse] = asyncio.Queue()
        self._breaking = asyncio.Event()
        self._ending: tuple[grpc.StatusCode, str] | None = None
        self._ended_here: set[Key] = set()

    async def serve(self) -> None:
        """Serve until the worker closes its side, or the stream is broken off."""
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [group.create_task(part) for part in (self._write_all(), self._break_off_when_told())]
                await self._read_all()
                await self._outgoing.join()
                for helper in helpers:
                    helper.cancel()
        except* _BrokenOff:
            pass
        finally:
            self.has_ended = True
            self._record.changes.ring()
        if self._ending is not None:
            await self._context.abort(*self._ending)

    def send(self, message: WorkResponse) -> None:
        """Say something to the worker."""
        self._outgoing.put_nowait(message)

    def acknowledge(self, leases: Iterable[HandedOut]) -> None:
        """Settle the last results of leases."""
        acks = [self._record.book.settle(lease) for lease in leases]
        self.send(WorkResponse(result_acks=JobResultAcks(acks=acks)))

    def break_off(self, code: grpc.StatusCode, problem: str) -> None:
        """End the stream at once with a status."""
        self._ending = (code, problem)
        self._breaking.set()

    def end_well(self) -> None:
        """End the stream with OK, after what was said before."""
        self._breaking.set()

    async def _break_off_when_told(self) -> None:
        await self._breaking.wait()
        if self._ending is None:
            await self._outgoing.join()
        raise _BrokenOff

    async def _write_all(self) -> None:
        while True:
            message = await self._outgoing.get()
            # A worker that is gone is noticed by the reader.
            with suppress(grpc.aio.UsageError, grpc.aio.AbortError, asyncio.InvalidStateError):
                await self._context.write(message)
            self._outgoing.task_done()

    async def _read_all(self) -> None:
        while (request := await self._context.read()) is not grpc.aio.EOF:
            try:
                check(request)
            except ValidationFailed as error:
                self._record.breach(f"a message breaks the contract's rules: {error}"[:_SHOWN])
                continue
            self.messages += 1
            self._take(request)
            self._record.changes.ring()
        # The library reads an end where a worker hung up as well, and cancels this task right after.
        await asyncio.sleep(_HANG_UP_SECONDS)
        self.has_closed = True

    def _take(self, request: WorkRequest) -> None:
        said = str(request.WhichOneof("message"))
        if (said == "hello") != (self.hello is None):
            self._record.breach(
                f"{said} came as the first message" if said != "hello" else "hello came twice on a stream"
            )
            return
        match said:
            case "hello":
                self._greet(request.hello)
            case "flow_control":
                self.limit = request.flow_control.max_in_flight
            case "heartbeat":
                self._extend(request.heartbeat.sequence, request.heartbeat.leases)
            case "results":
                self._settle(request.results.results)
            case "progress":
                for report in request.progress.reports:
                    self._known(report.lease, "a progress report")

    def _greet(self, hello: WorkerHello) -> None:
        self.hello = hello
        self.limit = hello.max_in_flight
        if not self._record.admit(self):
            self.break_off(grpc.StatusCode.UNAVAILABLE, "come again")
            return
        if not self._record.welcome_withheld:
            self.welcome()
        if self._record.is_dismissing:
            self.end_well()

    def welcome(self) -> None:
        """Answer the hello; leases that are held go on, however long the worker was away."""
        held = self.hello.held_leases if self.hello else ()
        known = [(ref, self._known(ref, "held_leases")) for ref in held]
        welcome = WorkerWelcome(
            session_id=f"session-{len(self._record.sessions)}",
            server_id="conformance",
            heartbeat_interval=duration(self._record.timing.interval),
            held_leases=[
                self._record.book.extend(lease, lapses=False) if lease else _lost(ref) for ref, lease in known
            ],
        )
        self.send(WorkResponse(welcome=welcome))

    def _extend(self, sequence: int, named: Sequence[worker_pb2.LeaseRef]) -> None:
        known = [(ref, self._known(ref, "a heartbeat")) for ref in named]
        self.beats.append(Beat(at=monotonic(), leases=frozenset(map(key_of, named))))
        statuses = [self._record.book.extend(lease) if lease else _lost(ref) for ref, lease in known]
        self.send(WorkResponse(heartbeat_ack=HeartbeatAck(sequence=sequence, leases=statuses)))

    def _settle(self, results: Sequence[worker_pb2.JobResult]) -> None:
        known = [(result, self._known(result.lease, "a result")) for result in results]
        taken = [lease for result, lease in known if lease and self._record_result(lease, result)]
        if told := [lease for lease in taken if not lease.withheld]:
            self.acknowledge(told)

    def _record_result(self, lease: HandedOut, result: worker_pb2.JobResult) -> bool:
        if lease.key in self._ended_here:
            self._record.breach("a result was sent twice on one stream")
            return False
        self._ended_here.add(lease.key)
        lease.results.append(result)
        return True

    def _known(self, ref: worker_pb2.LeaseRef, where: str) -> HandedOut | None:
        lease = self._record.book.find(key_of(ref))
        if lease is None:
            self._record.breach(f"{where} names a lease that was never handed out: {ref.job_id} by {ref.lease_token}")
        return lease


def _lost(ref: worker_pb2.LeaseRef) -> worker_pb2.LeaseStatus:
    return worker_pb2.LeaseStatus(job_id=ref.job_id, lease_token=ref.lease_token, state=worker_pb2.LEASE_STATE_LOST)
