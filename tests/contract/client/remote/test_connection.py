"""One stream, and whoever gives up asking on it."""

from __future__ import annotations

import asyncio

import grpc

from gosynq.v1.worker_service_pb2 import WorkerHello
from gosynq.v1.worker_service_pb2_grpc import WorkerServiceStub
from gosynq_client.remote.connection import WorkConnection
from gosynq_client.remote.source import StreamLeaseSource
from tests.contract.client.remote.sessions import SessionServer


async def test_a_question_that_is_cancelled_on_its_way_leaves_the_stream_to_its_good_end(
    sessions: SessionServer, target: str, source: StreamLeaseSource
) -> None:
    async with grpc.aio.insecure_channel(target) as channel:
        connection = WorkConnection(WorkerServiceStub(channel).Work(), source)
        greeting = asyncio.create_task(connection.greet(WorkerHello(worker_id="w-1")))
        session = await sessions.next()
        await session.welcome()
        await greeting
        receiving = asyncio.create_task(connection.receive())
        beating = asyncio.create_task(connection.beat([]))
        await asyncio.sleep(0)  # it is inside its write then
        beating.cancel()
        await asyncio.wait([beating])
        await connection.close()
        assert await session.answer_heartbeat() == []
        assert await session.read() is None
        session.end()
        await receiving
