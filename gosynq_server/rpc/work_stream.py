"""One worker's stream: what it says is done, what its session has to tell is written, until it leaves or has to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

import grpc

from gosynq.v1 import worker_pb2, worker_service_pb2
from gosynq.v1.worker_service_pb2 import WorkRequest, WorkResponse
from gosynq_server.domain.errors import (
    ProtocolViolation,
    ServerDraining,
    SessionReplaced,
    SlowConsumer,
    ValidationFailed,
)
from gosynq_server.domain.lease_names import RemoteResult
from gosynq_server.domain.worker import Acknowledged, CancelAsked, Granted
from gosynq_server.rpc.convert import duration
from gosynq_server.rpc.convert_leases import (
    ack_message,
    lease_message,
    lease_of,
    leases_of,
    outcome_of,
    profile_of,
    progresses_of,
    ref_message,
    status_message,
)
from gosynq_server.rpc.validation import check
from gosynq_server.service.work_session import fitting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from gosynq_server.domain.worker import Delivery
    from gosynq_server.service.work_session import WorkSession
    from gosynq_server.service.workers import Workers

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """When a worker has to leave: at the server's drain, or at an age of its stream; how long it may take over that."""

    draining: asyncio.Event
    age: timedelta
    grace: timedelta


class WorkStream:
    """Reads, works and writes at the same time. One task alone writes: of two writes at once the library loses one."""

    def __init__(
        self,
        workers: Workers,
        context: grpc.aio.ServicerContext[Any, Any],
        *,
        server_id: str,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._workers = workers
        self._context = context
        self._server_id = server_id
        self._patience = patience
        self._messages: asyncio.Queue[WorkResponse] = asyncio.Queue(1)

    async def run(self, departure: Departure) -> None:
        """Serve until the worker closes its side and everything is acknowledged.

        Raises ProtocolViolation and ValidationFailed for what a worker must not say, SessionReplaced where it says
        hello again, SlowConsumer where it takes nothing, ServerDraining where it stays beyond the grace.
        """
        hello = await self._hello()
        async with self._workers.session(profile_of(hello)) as session:
            await self._write(await self._welcome(session, hello))
            session.limit(hello.max_in_flight)
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(part)
                    for part in (
                        session.run(),
                        self._pass_on(session),
                        self._write_all(session),
                        self._see_off(session, departure),
                        self._tell_to_stop(session),
                        _leave_when_replaced(session),
                    )
                ]
                await self._read(session)
                await session.finish()
                await session.deliveries.join()
                await self._messages.join()
                for helper in helpers:
                    helper.cancel()

    async def _hello(self) -> worker_service_pb2.WorkerHello:
        request = await self._next()
        if request is None or request.WhichOneof("message") != "hello":
            raise ProtocolViolation(problem="the first message is a hello")
        return request.hello

    async def _next(self) -> WorkRequest | None:
        request = await self._context.read()
        if request is grpc.aio.EOF:
            return None
        # What one result of many breaks is no reason to end the stream: they are looked at one by one.
        if request.WhichOneof("message") != "results":
            check(request)
        return request  # type: ignore[no-any-return] # the library knows messages as Any

    async def _welcome(self, session: WorkSession, hello: worker_service_pb2.WorkerHello) -> WorkResponse:
        statuses = await session.beat(leases_of(hello.held_leases, "hello.held_leases"))
        interval = await self._workers.heartbeat_interval(session.profile)
        return WorkResponse(
            welcome=worker_service_pb2.WorkerWelcome(
                session_id=session.id,
                server_id=self._server_id,
                heartbeat_interval=duration(interval),
                held_leases=map(status_message, statuses),
            )
        )

    async def _read(self, session: WorkSession) -> None:
        while (request := await self._next()) is not None:
            await self._take(session, request)

    async def _take(self, session: WorkSession, request: WorkRequest) -> None:
        match request.WhichOneof("message"):
            case "flow_control":
                session.limit(request.flow_control.max_in_flight)
            case "heartbeat":
                statuses = await session.beat(leases_of(request.heartbeat.leases, "heartbeat.leases"))
                ack = worker_service_pb2.HeartbeatAck(
                    sequence=request.heartbeat.sequence, leases=map(status_message, statuses)
                )
                await self._messages.put(WorkResponse(heartbeat_ack=ack))
            case "results":
                await self._take_results(session, request.results)
            case "progress":
                await session.report(progresses_of(request.progress))
            case _:
                raise ProtocolViolation(problem="a hello comes first, and only first")

    async def _take_results(self, session: WorkSession, offered: worker_service_pb2.JobResults) -> None:
        """Offer results; one that is not well formed is refused by itself, its lease goes on."""
        told, refused = [], []
        well_formed = _are_well_formed(offered)
        for result in offered.results:
            try:
                if not well_formed:
                    check(result)
                told.append(RemoteResult(lease=lease_of(result.lease, "lease"), outcome=outcome_of(result)))
            except ValidationFailed as error:
                refused.append(_invalid(result, error))
        session.offer(told)
        if refused:
            acks = worker_service_pb2.JobResultAcks(acks=refused)
            await self._messages.put(WorkResponse(result_acks=acks))

    async def _pass_on(self, session: WorkSession) -> None:
        while True:
            delivery = await session.deliveries.get()
            for response in _responses(delivery, session.profile.worker_id):
                await self._messages.put(response)
            session.deliveries.task_done()

    async def _see_off(self, session: WorkSession, departure: Departure) -> None:
        """Ask the worker to leave in time, and end the stream where it does not."""
        reason = "the server stops"
        try:
            async with asyncio.timeout(departure.age.total_seconds()):
                await departure.draining.wait()
        except TimeoutError:
            reason = "the stream is old"
        session.retire()
        go_away = worker_service_pb2.GoAway(reason=reason, grace=duration(departure.grace))
        await self._messages.put(WorkResponse(go_away=go_away))
        await asyncio.sleep(departure.grace.total_seconds())
        raise ServerDraining

    async def _tell_to_stop(self, session: WorkSession) -> None:
        """Ask the worker to stop when it is to drain; it has as long as it needs, at another server too."""
        await session.drained.wait()
        go_away = worker_service_pb2.GoAway(reason=session.drain_reason, stop=True)
        await self._messages.put(WorkResponse(go_away=go_away))

    async def _write_all(self, session: WorkSession) -> None:
        while True:
            message = await self._messages.get()
            session.sending((lease.job.id, lease.lease_sequence) for lease in message.leases.leases)
            await self._write(message)
            self._messages.task_done()

    async def _write(self, message: WorkResponse) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._context.write(message)
        except TimeoutError:
            raise SlowConsumer(seconds=round(self._patience)) from None


async def _leave_when_replaced(session: WorkSession) -> None:
    await session.replaced.wait()
    raise SessionReplaced(worker_id=session.profile.worker_id)


def _are_well_formed(offered: worker_service_pb2.JobResults) -> bool:
    """Say whether all results are; raise ValidationFailed where they are too many, or none."""
    try:
        check(offered)
    except ValidationFailed as error:
        if any(violation.field == "results" for violation in error.violations):
            raise
        return False
    return True


def _invalid(result: worker_pb2.JobResult, error: ValidationFailed) -> worker_pb2.JobResultAck:
    return worker_pb2.JobResultAck(lease=result.lease, status=worker_pb2.RESULT_STATUS_INVALID, message=str(error))


def _responses(delivery: Delivery, worker_id: str) -> Iterator[WorkResponse]:
    match delivery:
        case Granted():
            for group in fitting(delivery.leases):
                leases = (lease_message(lease, worker_id) for lease in group)
                yield WorkResponse(leases=worker_service_pb2.LeaseGrants(leases=leases))
        case Acknowledged():
            yield WorkResponse(result_acks=worker_service_pb2.JobResultAcks(acks=map(ack_message, delivery.acks)))
        case CancelAsked():
            notice = worker_service_pb2.CancelNotice(
                lease=ref_message(delivery.lease), reason=delivery.reason, lease_lost=delivery.lease_lost
            )
            yield WorkResponse(cancels=worker_service_pb2.CancelNotices(cancels=[notice]))
        case _:
            assert_never(delivery)
