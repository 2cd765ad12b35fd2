"""Single calls of workers over a real server: how long they wait, and how they are refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from gosynq.v1.job_pb2 import JOB_STATUS_COMPLETED
from gosynq.v1.worker_pb2 import LEASE_STATE_ACTIVE, LeaseRef, QueueSubscription
from gosynq.v1.worker_service_pb2 import CompleteJobRequest, ExtendLeasesRequest, LeaseJobsRequest
from gosynq.v1.worker_service_pb2_grpc import WorkerServiceStub
from gosynq_server.rpc.server import RpcOptions, RpcServer, build_server
from tests.rpc.real import services_of
from tests.rpc.refusals import refusal_of
from tests.service.house import House, open_house

if TYPE_CHECKING:
    from gosynq.v1.worker_service_pb2_grpc import WorkerServiceAsyncStub

WISH = LeaseJobsRequest(worker_id="w-1", queues=[QueueSubscription(queue="q")], wait=Duration(seconds=60))


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_house(database_url) as house:
        yield house


@pytest.fixture
async def server(house: House) -> AsyncIterator[RpcServer]:
    server = build_server(services_of(house), RpcOptions())
    yield server
    await server.stop(timedelta())


@pytest.fixture
async def stub(server: RpcServer) -> AsyncIterator[WorkerServiceAsyncStub]:
    port = server.bind("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield WorkerServiceStub(channel)


async def test_a_wait_ends_half_a_second_before_the_calls_deadline(stub: WorkerServiceAsyncStub) -> None:
    began_at = time.monotonic()
    response = await stub.LeaseJobs(WISH, timeout=2)
    assert list(response.leases) == []
    assert 1.3 < time.monotonic() - began_at < 2


async def test_a_drain_ends_a_wait_with_an_empty_list(
    house: House, server: RpcServer, stub: WorkerServiceAsyncStub
) -> None:
    waiting = asyncio.ensure_future(stub.LeaseJobs(WISH, timeout=30))
    began_at = time.monotonic()
    while "queues_ready" not in house.database.names:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)
    await server.stop(timedelta(seconds=20))
    assert list((await waiting).leases) == []
    assert time.monotonic() - began_at < 5


async def test_without_a_number_one_job_is_leased(house: House, stub: WorkerServiceAsyncStub) -> None:
    for _ in range(2):
        await house.add()
    assert len((await stub.LeaseJobs(WISH)).leases) == 1


async def test_a_result_under_a_lost_lease_fails_the_call(house: House, stub: WorkerServiceAsyncStub) -> None:
    job = await house.add()
    [lease] = (await stub.LeaseJobs(WISH)).leases
    await house.jobs.delete(job, force=True, allow_missing=False)
    refusal = await refusal_of(stub.CompleteJob(CompleteJobRequest(job_id=job, lease_token=lease.lease_token)))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "LEASE_LOST")
    assert refusal.metadata == {"job_id": job, "status": "gone"}


async def test_a_job_of_a_queue_with_the_longest_name_is_leased_extended_and_completed(
    house: House, stub: WorkerServiceAsyncStub
) -> None:
    queue = "q" * 128
    job = await house.add(queue=queue)
    wish = LeaseJobsRequest(worker_id="w-1", queues=[QueueSubscription(queue=queue)])
    [lease] = (await stub.LeaseJobs(wish)).leases
    named = LeaseRef(job_id=job, lease_token=lease.lease_token)
    [extended] = (await stub.ExtendLeases(ExtendLeasesRequest(leases=[named]))).leases
    assert extended.state == LEASE_STATE_ACTIVE
    done = await stub.CompleteJob(CompleteJobRequest(job_id=job, lease_token=lease.lease_token))
    assert done.job_status == JOB_STATUS_COMPLETED


async def test_an_extension_without_a_length_lasts_as_the_jobs_own_leases_do(
    house: House, stub: WorkerServiceAsyncStub
) -> None:
    job = await house.add()
    wish = LeaseJobsRequest(worker_id="w-1", queues=WISH.queues, lease_duration=Duration(seconds=300))
    [lease] = (await stub.LeaseJobs(wish)).leases
    assert lease.valid_for.seconds > 290
    named = LeaseRef(job_id=job, lease_token=lease.lease_token)
    [extended] = (await stub.ExtendLeases(ExtendLeasesRequest(leases=[named]))).leases
    assert extended.valid_for.seconds <= 30
