"""Streams that end: how a worker goes on, and what it does not outlast."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import grpc
import pytest
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from gosynq.v1.worker_service_pb2 import GoAway, WorkerHello
from gosynq.v1.worker_service_pb2_grpc import WorkerServiceStub
from gosynq_client.errors import GosynqError, SessionReplaced
from gosynq_client.remote import QueueSubscription, RemoteWorker
from gosynq_client.remote.connection import WorkConnection
from gosynq_client.remote.source import StreamLeaseSource
from gosynq_client.worker import Handlers, Job
from gosynq_client.worker.leases import Exchange, Refusal, RefusalReason
from gosynq_client.worker.source import SourceUnavailable
from tests.contract.client.remote.conftest import Heard
from tests.contract.client.remote.sessions import ALREADY_APPLIED, LOST, SessionServer, a_grant, a_status
from tests.contract.client.remote.test_source import NOTHING, done, held_by
from tests.contract.client.scripted import UNAVAILABLE, status

REPLACED = status(
    grpc.StatusCode.ABORTED,
    "another stream said hello as w-1",
    error_details_pb2.ErrorInfo(reason="SESSION_REPLACED", domain="gosynq", metadata={"worker_id": "w-1"}),
)


@pytest.mark.usefixtures("running")
async def test_a_break_in_the_middle_of_a_settlement_leaves_the_results_to_be_offered_again(
    sessions: SessionServer, source: StreamLeaseSource
) -> None:
    session = await sessions.next()
    await session.welcome()
    [lease] = await held_by(source, session, "a")
    settling = asyncio.create_task(source.exchange([done(lease)], 1))
    await session.results()
    session.end(UNAVAILABLE)
    with pytest.raises(SourceUnavailable):
        await settling

    session = await sessions.next()
    hello = await session.welcome(a_status("a"))
    assert ([held.job_id for held in hello.held_leases], hello.max_in_flight) == (["a"], 2)
    settling = asyncio.create_task(source.exchange([done(lease)], 1))
    assert await session.limit() == 1
    await session.acknowledge(await session.results(), ALREADY_APPLIED)
    refusal = Refusal(lease=lease, reason=RefusalReason.ALREADY_APPLIED)
    assert await settling == Exchange(leases=[], refusals=[refusal])


@pytest.mark.usefixtures("running")
async def test_open_leases_are_named_again_and_those_that_were_lost_no_more(
    sessions: SessionServer, source: StreamLeaseSource, heard: Heard
) -> None:
    session = await sessions.next()
    await session.welcome()
    await held_by(source, session, "a", "b")
    await session.grant(a_grant("c"))
    await source.wait(timedelta(seconds=10))
    session.end(UNAVAILABLE)

    session = await sessions.next()
    hello = await session.welcome(a_status("a"), a_status("b", LOST), a_status("c", LOST))
    assert [held.job_id for held in hello.held_leases] == ["a", "b", "c"]
    assert [await heard.losses.get(), await heard.losses.get()] == [("b", "token"), ("c", "token")]
    session.end(UNAVAILABLE)

    hello = await (await sessions.next()).welcome()
    assert [held.job_id for held in hello.held_leases] == ["a"]
    assert (await source.exchange((), 0)).leases == []


@pytest.mark.usefixtures("running")
async def test_a_lease_that_came_late_is_not_asked_for_where_the_welcome_after_a_break_says_that_it_holds(
    sessions: SessionServer, source: StreamLeaseSource
) -> None:
    session = await sessions.next()
    await session.welcome()
    await session.grant(a_grant("a", age=timedelta(seconds=40)))
    await source.wait(timedelta(seconds=10))
    session.end(UNAVAILABLE)

    session = await sessions.next()
    await session.welcome(a_status("a"))
    asking = asyncio.create_task(source.exchange((), 2))
    assert await session.limit() == 2
    assert [lease.job_id for lease in (await asking).leases] == ["a"]


@pytest.mark.usefixtures("running")
async def test_a_cancel_that_was_asked_for_during_a_break_is_heard_of_at_the_welcome(
    sessions: SessionServer, source: StreamLeaseSource, heard: Heard
) -> None:
    session = await sessions.next()
    await session.welcome()
    await held_by(source, session, "a")
    session.end(UNAVAILABLE)
    await (await sessions.next()).welcome(a_status("a", cancel_requested=True))
    assert await heard.cancels.get() == ("a", "")


@pytest.mark.usefixtures("running")
async def test_a_worker_that_is_sent_away_has_everything_acknowledged_and_comes_again_at_once(
    sessions: SessionServer, source: StreamLeaseSource, heard: Heard
) -> None:
    session = await sessions.next()
    await session.welcome()
    assert await heard.connections.get() is True
    [lease, _] = await held_by(source, session, "a", "b")
    settling = asyncio.create_task(source.exchange([done(lease)], 1))
    results = await session.results()
    await session.write(go_away=GoAway(reason="the stream is old"))
    assert await session.read() is None
    assert await heard.connections.get() is False
    await session.acknowledge(results)
    assert await settling == NOTHING
    session.end()

    hello = await (await sessions.next()).welcome(a_status("b"))
    assert [held.job_id for held in hello.held_leases] == ["b"]
    assert hello.max_in_flight == 2


async def test_a_worker_that_is_told_to_stop_hears_so_and_keeps_its_stream(
    sessions: SessionServer, source: StreamLeaseSource, running: asyncio.Task[None], heard: Heard
) -> None:
    session = await sessions.next()
    await session.welcome()
    await session.write(go_away=GoAway(reason="drained by hand", stop=True))
    await heard.stopped.wait()
    assert source.is_connected
    assert not running.done()


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (REPLACED, SessionReplaced),
        (status(grpc.StatusCode.INVALID_ARGUMENT, "worker_id: it is none"), GosynqError),
        (status(grpc.StatusCode.UNAUTHENTICATED, "the token does not hold"), GosynqError),
        (status(grpc.StatusCode.PERMISSION_DENIED, "not for you"), GosynqError),
        (status(grpc.StatusCode.UNIMPLEMENTED, "no such service"), GosynqError),
    ],
)
async def test_a_worker_that_is_refused_is_at_its_end(
    sessions: SessionServer, running: asyncio.Task[None], refusal: Status, error: type[GosynqError]
) -> None:
    session = await sessions.next()
    await session.welcome()
    session.end(refusal)
    with pytest.raises(error) as refused:
        await running
    assert str(refused.value) == refusal.message
    assert sessions.opened.empty()


@pytest.mark.parametrize(
    "ending",
    [
        None,
        UNAVAILABLE,
        status(grpc.StatusCode.RESOURCE_EXHAUSTED, "nothing taken for a minute"),
        status(grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2"),
        status(grpc.StatusCode.CANCELLED, "Received RST_STREAM with error code 8"),
        status(grpc.StatusCode.UNKNOWN, "Stream removed"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("running")
async def test_what_passes_is_outlasted(sessions: SessionServer, ending: Status | None) -> None:
    session = await sessions.next()
    await session.welcome()
    session.end(ending)
    await (await sessions.next()).welcome()


@pytest.mark.usefixtures("running")
async def test_a_stream_that_ends_before_its_welcome_is_opened_again(sessions: SessionServer) -> None:
    (await sessions.next()).end()
    await (await sessions.next()).welcome()


async def test_a_server_that_gives_no_answer_in_time_loses_the_stream(
    sessions: SessionServer, target: str, source: StreamLeaseSource
) -> None:
    async with grpc.aio.insecure_channel(target) as channel:
        connection = WorkConnection(WorkerServiceStub(channel).Work(), source, patience=0.2)
        greeting = asyncio.create_task(connection.greet(WorkerHello(worker_id="w-1")))
        await (await sessions.next()).welcome()
        await greeting
        receiving = asyncio.create_task(connection.receive())
        with pytest.raises(SourceUnavailable):
            await connection.beat([])
        with pytest.raises(SourceUnavailable):
            await receiving
        with pytest.raises(SourceUnavailable):
            await connection.limit(3)


async def test_a_remote_worker_that_is_replaced_cancels_what_runs_gives_it_back_and_says_why(
    sessions: SessionServer, target: str
) -> None:
    handlers, started = Handlers(), asyncio.Event()

    @handlers.register("send")
    async def send(job: Job) -> None:
        started.set()
        await asyncio.Event().wait()

    worker = RemoteWorker(target, handlers, [QueueSubscription(queue="mail")])
    working = asyncio.create_task(worker.run())
    session = await sessions.next()
    await session.welcome()
    assert await session.limit() == 10
    await session.grant(a_grant("a"))
    await started.wait()
    assert (worker.active, worker.is_connected) == (1, True)
    session.end(REPLACED)
    with pytest.raises(ExceptionGroup) as refused:
        await working
    assert refused.group_contains(SessionReplaced, match="another stream said hello as w-1")
    assert worker.active == 0
    given_back = sessions.extended.get_nowait()
    assert [lease.job_id for lease in given_back.leases] == ["a"]
    assert given_back.HasField("extend_by")
    assert given_back.extend_by.ToTimedelta() == timedelta()


async def test_a_remote_worker_that_is_replaced_gives_back_no_job_whose_thread_goes_on(
    sessions: SessionServer, target: str
) -> None:
    handlers, started, go_on = Handlers(), threading.Event(), threading.Event()

    @handlers.register("send")
    def send(job: Job) -> None:
        started.set()
        go_on.wait()

    worker = RemoteWorker(target, handlers, [QueueSubscription(queue="mail")])
    working = asyncio.create_task(worker.run())
    session = await sessions.next()
    await session.welcome()
    assert await session.limit() == 10
    await session.grant(a_grant("a"))
    try:
        await asyncio.to_thread(started.wait)
        session.end(REPLACED)
        with pytest.raises(ExceptionGroup) as refused:
            await working
    finally:
        go_on.set()
    assert refused.group_contains(SessionReplaced)
    assert sessions.extended.empty()
