"""Results over the Work stream, over a real service and a real database: each stands for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from gosynq.v1 import worker_pb2
from gosynq.v1.worker_service_pb2 import FlowControl, JobResults, WorkerHello, WorkRequest
from gosynq.v1.worker_service_pb2_grpc import WorkerServiceStub
from gosynq_server.rpc.server import RpcOptions, build_server
from tests.rpc.real import services_of
from tests.rpc.refusals import refusal_of
from tests.service.house import House, open_house

if TYPE_CHECKING:
    from gosynq.v1.worker_service_pb2_grpc import WorkerServiceAsyncStub

QUEUES = [worker_pb2.QueueSubscription(queue="q")]
APPLIED, INVALID = worker_pb2.RESULT_STATUS_APPLIED, worker_pb2.RESULT_STATUS_INVALID


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_house(database_url) as house:
        yield house


@pytest.fixture
async def stub(house: House) -> AsyncIterator[WorkerServiceAsyncStub]:
    server = build_server(services_of(house), RpcOptions())
    port = server.bind("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield WorkerServiceStub(channel)
    await server.stop(timedelta())


async def test_a_result_that_is_not_well_formed_is_refused_alone_and_its_lease_goes_on(
    house: House, stub: WorkerServiceAsyncStub
) -> None:
    good, bad = await house.add(), await house.add()
    call: Any = stub.Work()
    async with asyncio.timeout(10):
        await call.write(WorkRequest(hello=WorkerHello(worker_id="w-1", queues=QUEUES, max_in_flight=2)))
        welcome = await call.read()
        granted: list[worker_pb2.Lease] = []
        while len(granted) < 2:
            granted += (await call.read()).leases.leases
        results = {lease.job.id: _result(lease) for lease in granted}
        results[good].success.SetInParent()
        results[bad].snooze.delay.FromTimedelta(timedelta(days=400))
        await call.write(WorkRequest(results=JobResults(results=results.values())))
        acks: dict[str, worker_pb2.JobResultAck] = {}
        while len(acks) < 2:
            acks |= {ack.lease.job_id: ack for ack in (await call.read()).result_acks.acks}
        assert (acks[good].status, acks[bad].status) == (APPLIED, INVALID)
        assert acks[bad].message.startswith("snooze.delay: ")
        results[bad].snooze.delay.FromTimedelta(timedelta(days=4))
        await call.write(WorkRequest(flow_control=FlowControl(max_in_flight=0)))
        await call.write(WorkRequest(results=JobResults(results=[results[bad]])))
        assert [ack.status for ack in (await call.read()).result_acks.acks] == [APPLIED]
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
    assert welcome.welcome.session_id
    assert (await house.stage(good), await house.stage(bad)) == ("finished", "scheduled")


async def test_results_that_are_none_end_the_stream(house: House, stub: WorkerServiceAsyncStub) -> None:
    call: Any = stub.Work()
    await call.write(WorkRequest(hello=WorkerHello(worker_id="w-1", queues=QUEUES)))
    await call.read()
    await call.write(WorkRequest(results=JobResults()))
    refusal = await refusal_of(call.read())
    assert (refusal.code, refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", "VALIDATION_FAILED", ("results",))


def _result(lease: worker_pb2.Lease) -> worker_pb2.JobResult:
    named = worker_pb2.LeaseRef(job_id=lease.job.id, lease_token=lease.lease_token)
    return worker_pb2.JobResult(lease=named)
