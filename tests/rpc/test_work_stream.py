"""The Work stream over a real service and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from gosynq.v1 import job_pb2, worker_pb2, worker_service_pb2_grpc
from gosynq.v1.worker_service_pb2 import (
    FlowControl,
    JobProgressReport,
    JobResults,
    ProgressReport,
    WorkerHeartbeat,
    WorkRequest,
)
from gosynq.v1.worker_service_pb2_grpc import WorkerServiceStub
from gosynq_server.rpc.interceptors import CallInterceptor
from gosynq_server.rpc.server import RpcOptions, RpcServer, build_server
from gosynq_server.rpc.work_stream import Departure, WorkStream
from gosynq_server.rpc.workers import WorkerServicer
from tests.rpc.real import services_of
from tests.rpc.refusals import Refusal, refusal_of
from tests.rpc.talking import Talk, a_hello, done, named, opened, talking
from tests.service.house import HOUR, PATIENCE_SECONDS, SECOND, House, open_house

if TYPE_CHECKING:
    from gosynq.v1.worker_service_pb2_grpc import WorkerServiceAsyncStub

ACTIVE, LOST = worker_pb2.LEASE_STATE_ACTIVE, worker_pb2.LEASE_STATE_LOST
ID = "0195e7a4-5a5a-7000-8000-000000000001"
A_LEASE = worker_pb2.LeaseRef(job_id=ID, lease_token="1.q")


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


async def _refusal_of(talk: Talk) -> Refusal:
    """Read on to the end of a stream, which is to be a refusal."""

    async def read_on() -> None:
        while await talk.call.read() is not grpc.aio.EOF:
            pass

    async with asyncio.timeout(PATIENCE_SECONDS):
        return await refusal_of(read_on())


async def _until(done_: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not done_():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


NO_HELLOS: list[dict[str, Any]] = [
    {"flow_control": FlowControl(max_in_flight=1)},
    {"heartbeat": WorkerHeartbeat(sequence=1)},
    {"results": JobResults(results=[worker_pb2.JobResult(lease=A_LEASE, release=worker_pb2.JobRelease())])},
    {"progress": ProgressReport(reports=[JobProgressReport(lease=A_LEASE, progress=job_pb2.JobProgress())])},
]


@pytest.mark.parametrize("said", NO_HELLOS, ids=lambda said: next(iter(said)))
async def test_a_first_message_that_is_no_hello_breaks_the_protocol(
    stub: WorkerServiceAsyncStub, said: dict[str, Any]
) -> None:
    talk = Talk(stub)
    await talk.say(**said)
    refusal = await _refusal_of(talk)
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "PROTOCOL_VIOLATION")


async def test_a_stream_that_says_nothing_breaks_the_protocol(stub: WorkerServiceAsyncStub) -> None:
    talk = Talk(stub)
    await talk.call.done_writing()
    refusal = await _refusal_of(talk)
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "PROTOCOL_VIOLATION")


async def test_a_second_hello_breaks_the_protocol(house: House, stub: WorkerServiceAsyncStub) -> None:
    talk, _ = await opened(stub)
    await talk.say(hello=a_hello())
    refusal = await _refusal_of(talk)
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "PROTOCOL_VIOLATION")
    assert house.workers.session_count == 0


async def test_bytes_that_are_no_message_end_the_stream(house: House, server: RpcServer) -> None:
    port = server.bind("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Any = channel.stream_stream("/gosynq.v1.WorkerService/Work")()
        await call.write(WorkRequest(hello=a_hello()).SerializeToString())
        await call.read()
        await call.write(b"\x0a\xff\xff")
        refusal = await refusal_of(call.read())
    assert (refusal.code, refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", "VALIDATION_FAILED", ("request",))


async def test_a_welcome_says_how_often_to_extend_leases_and_what_became_of_them(
    house: House, stub: WorkerServiceAsyncStub
) -> None:
    held, gone = await house.started(), worker_pb2.LeaseRef(job_id=ID, lease_token="3.q")
    await house.jobs.cancel(held.job_id, reason="", force=False)
    refs = [gone, worker_pb2.LeaseRef(job_id=held.job_id, lease_token=held.lease_token)]
    talk, welcome = await opened(stub, held_leases=refs)
    talk.call.cancel()
    assert welcome.server_id == "server-a"
    assert welcome.session_id
    assert welcome.heartbeat_interval.ToTimedelta() == 10 * SECOND
    assert [(status.job_id, status.state, status.cancel_requested) for status in welcome.held_leases] == [
        (ID, LOST, False),
        (held.job_id, ACTIVE, True),
    ]


async def test_leases_from_before_count_among_those_that_are_open(house: House, stub: WorkerServiceAsyncStub) -> None:
    held = await house.started()
    await house.add()
    ref = worker_pb2.LeaseRef(job_id=held.job_id, lease_token=held.lease_token)
    async with talking(stub, held_leases=[ref], max_in_flight=1) as talk:
        await talk.say(results=JobResults(results=[worker_pb2.JobResult(lease=ref, release=worker_pb2.JobRelease())]))
        [ack] = (await talk.hear("result_acks")).acks
        assert (ack.status, ack.job_status) == (worker_pb2.RESULT_STATUS_APPLIED, job_pb2.JOB_STATUS_PENDING)
        await talk.granted(1)


async def test_heartbeats_are_answered_in_order(house: House, stub: WorkerServiceAsyncStub) -> None:
    await house.add()
    async with talking(stub, max_in_flight=1, lease_duration=timedelta(seconds=77)) as talk:
        [lease] = await talk.granted(1)
        lost = worker_pb2.LeaseRef(job_id=lease.job.id, lease_token="9.q")
        for sequence in (5, 3, 4):
            await talk.say(heartbeat=WorkerHeartbeat(sequence=sequence, leases=[named(lease), lost]))
        answers = [await talk.hear("heartbeat_ack") for _ in range(3)]
    assert [answer.sequence for answer in answers] == [5, 3, 4]
    assert [[status.state for status in answer.leases] for answer in answers] == [[ACTIVE, LOST]] * 3
    assert answers[0].leases[0].valid_for.ToTimedelta() == 77 * SECOND


async def test_an_answer_to_a_result_comes_once_it_is_committed_and_before_the_next_lease(
    house: House, stub: WorkerServiceAsyncStub
) -> None:
    job = await house.add()
    async with talking(stub, max_in_flight=1) as talk:
        [lease] = await talk.granted(1)
        next_job = await house.add()
        await talk.say(results=done(lease))
        [ack] = (await talk.hear("result_acks")).acks
        assert (ack.status, ack.job_status) == (worker_pb2.RESULT_STATUS_APPLIED, job_pb2.JOB_STATUS_COMPLETED)
        assert await house.stage(job) == "finished"
        assert [lease.job.id for lease in await talk.granted(1)] == [next_job]


async def test_progress_is_kept(house: House, stub: WorkerServiceAsyncStub) -> None:
    job = await house.add()
    async with talking(stub, max_in_flight=1) as talk:
        [lease] = await talk.granted(1)
        progress = job_pb2.JobProgress(current=1, total=2, message="half")
        await talk.say(progress=ProgressReport(reports=[JobProgressReport(lease=named(lease), progress=progress)]))
        await talk.say(heartbeat=WorkerHeartbeat(sequence=1))
        await talk.hear("heartbeat_ack")
        kept = (await house.job(job)).progress
    assert kept is not None
    assert (kept.current, kept.total, kept.message) == (1, 2, "half")


async def test_leases_with_large_payloads_come_in_messages_that_a_client_takes(
    house: House, stub: WorkerServiceAsyncStub
) -> None:
    for _ in range(30):
        await house.add(payload=b"x" * 250_000, content_type="a/b")
    async with talking(stub, max_in_flight=30) as talk:
        assert len(await talk.granted(30)) == 30


@pytest.mark.parametrize("force", [False, True])
async def test_a_cancel_is_told_at_once_by_force_as_a_lost_lease(
    house: House, stub: WorkerServiceAsyncStub, force: bool
) -> None:
    job = await house.add()
    async with talking(stub, max_in_flight=1) as talk:
        [lease] = await talk.granted(1)
        await house.jobs.cancel(job, reason="enough", force=force)
        [notice] = (await talk.hear("cancels")).cancels
    assert (notice.lease, notice.reason, notice.lease_lost) == (named(lease), "enough", force)


async def test_a_delete_is_told_as_a_lost_lease(house: House, stub: WorkerServiceAsyncStub) -> None:
    job = await house.add()
    async with talking(stub, max_in_flight=1) as talk:
        [lease] = await talk.granted(1)
        await house.jobs.delete(job, force=True, allow_missing=False)
        [notice] = (await talk.hear("cancels")).cancels
    assert (notice.lease, notice.lease_lost) == (named(lease), True)


async def test_a_stream_of_the_same_worker_replaces_one_that_is_open(
    house: House, stub: WorkerServiceAsyncStub
) -> None:
    old, _ = await opened(stub)
    async with talking(stub, worker_id="other"), talking(stub, max_in_flight=1) as new:
        refusal = await _refusal_of(old)
        await house.add()
        await new.granted(1)
        assert house.workers.session_count == 2
    assert (refusal.code, refusal.reason) == ("ABORTED", "SESSION_REPLACED")


async def test_a_worker_that_closes_its_side_hears_of_everything_then_of_the_end(
    house: House, stub: WorkerServiceAsyncStub
) -> None:
    for _ in range(20):
        await house.add()
    talk, _ = await opened(stub, max_in_flight=10)
    leases = await talk.granted(10)
    await talk.say(flow_control=FlowControl(max_in_flight=0))
    await talk.say(results=done(*leases))
    heard = await talk.leave()
    acks = [ack for response in heard for ack in response.result_acks.acks]
    assert sorted(ack.lease.job_id for ack in acks) == sorted(lease.job.id for lease in leases)
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.finished") == 10
    assert house.workers.session_count == 0


async def test_a_worker_with_nothing_but_a_bad_result_can_leave(house: House, stub: WorkerServiceAsyncStub) -> None:
    await house.add()
    talk, _ = await opened(stub, max_in_flight=1)
    [lease] = await talk.granted(1)
    await talk.say(results=JobResults(results=[worker_pb2.JobResult(lease=named(lease))]))
    [ack] = (await talk.hear("result_acks")).acks
    assert (ack.status, ack.job_status) == (worker_pb2.RESULT_STATUS_INVALID, job_pb2.JOB_STATUS_UNSPECIFIED)
    assert await talk.leave() == []
    assert await house.stage(lease.job.id) == "running"


async def test_a_stream_that_breaks_leaves_its_leases_to_be_resumed(house: House, stub: WorkerServiceAsyncStub) -> None:
    job = await house.add()
    talk, _ = await opened(stub, max_in_flight=2)
    [lease] = await talk.granted(1)
    talk.call.cancel()
    await _until(lambda: house.workers.session_count == 0)
    later = await house.add()
    assert (await house.stage(job), await house.stage(later)) == ("running", "ready")
    again, welcome = await opened(stub, held_leases=[named(lease)])
    assert [status.state for status in welcome.held_leases] == [ACTIVE]
    await again.say(results=done(lease))
    [ack] = (await again.hear("result_acks")).acks
    assert ack.status == worker_pb2.RESULT_STATUS_APPLIED
    await again.leave()


async def test_a_hello_while_the_database_is_away_is_to_be_said_again(
    house: House, stub: WorkerServiceAsyncStub
) -> None:
    house.database.away = frozenset({"leases_extend"})
    talk = Talk(stub)
    await talk.say(hello=a_hello(held_leases=[A_LEASE]))
    refusal = await _refusal_of(talk)
    assert refusal.code == "UNAVAILABLE"
    assert house.workers.session_count == 0


async def test_a_drain_asks_the_worker_to_go_gives_no_more_leases_and_lets_it_finish(
    house: House, server: RpcServer, stub: WorkerServiceAsyncStub
) -> None:
    job = await house.add()
    talk, _ = await opened(stub, max_in_flight=1)
    [lease] = await talk.granted(1)
    stopping = asyncio.create_task(server.stop(timedelta(seconds=10)))
    go_away = await talk.hear("go_away")
    assert (go_away.stop, go_away.grace.ToTimedelta()) == (False, 10 * SECOND)
    later = await house.add()
    await talk.say(flow_control=FlowControl(max_in_flight=9))
    await talk.say(results=done(lease))
    [response] = await talk.leave()
    assert [ack.lease for ack in response.result_acks.acks] == [named(lease)]
    await stopping
    assert (await house.stage(job), await house.stage(later)) == ("finished", "ready")


class _Hasty(WorkerServicer):
    """Lets streams grow so old, go in so much time, and wait so long for a worker to take something."""

    age, grace, patience = HOUR, SECOND / 5, 60.0

    async def Work(self, request_iterator: object, context: Any) -> None:  # type: ignore[override] # noqa: N802
        stream = WorkStream(self._workers, context, server_id=self._server_id, patience=self.patience)
        await stream.run(Departure(draining=self._draining, age=self.age, grace=self.grace))


@asynccontextmanager
async def _hasty(house: House, **hastes: Any) -> AsyncIterator[WorkerServiceAsyncStub]:
    server = grpc.aio.server(interceptors=[CallInterceptor(lambda *_: None)])
    servicer = _Hasty(house.workers, server_id="server-a", draining=asyncio.Event(), stream_age=HOUR)
    for name, value in hastes.items():
        setattr(servicer, name, value)
    worker_service_pb2_grpc.add_WorkerServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    # The library's guess at the line's width would take in more and more.
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.http2.bdp_probe", 0)]) as channel:
        yield WorkerServiceStub(channel)
    await server.stop(0)


async def test_an_old_stream_is_asked_to_go_and_can_finish(house: House) -> None:
    await house.add()
    async with _hasty(house, age=SECOND / 2, grace=HOUR) as stub:
        talk, _ = await opened(stub, max_in_flight=1)
        [lease] = await talk.granted(1)
        await talk.hear("go_away")
        await talk.say(results=done(lease))
        [response] = await talk.leave()
    assert [ack.status for ack in response.result_acks.acks] == [worker_pb2.RESULT_STATUS_APPLIED]


async def test_a_worker_that_stays_beyond_the_grace_is_sent_away(house: House) -> None:
    job = await house.add()
    async with _hasty(house, age=SECOND / 2) as stub:
        talk, _ = await opened(stub, max_in_flight=1)
        await talk.granted(1)
        await talk.hear("go_away")
        refusal = await _refusal_of(talk)
    assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "SERVER_DRAINING")
    assert await house.stage(job) == "running"
    assert house.workers.session_count == 0


async def test_a_worker_that_takes_nothing_is_sent_away(house: House) -> None:
    for _ in range(60):
        await house.add(payload=b"x" * 250_000, content_type="a/b")
    async with _hasty(house, patience=0.3) as stub:
        talk, _ = await opened(stub, max_in_flight=60)
        await _until(lambda: house.workers.session_count == 0)
        refusal = await _refusal_of(talk)
    assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "SLOW_CONSUMER")


async def test_a_stream_that_breaks_gives_back_uncounted_what_it_surely_did_not_send(house: House) -> None:
    for _ in range(60):
        await house.add(payload=b"x" * 250_000, content_type="a/b")
    async with _hasty(house) as stub:
        talk, _ = await opened(stub, max_in_flight=60)
        heard = (await talk.hear("leases")).leases
        talk.call.cancel()
        # The one that is sent by then waits for its worker to take it.
        await _until_at_most_run(house, 3 * len(heard))
    counts = await house.sql.fetch("SELECT status, deliveries, count(*) FROM gosynq.jobs GROUP BY 1, 2 ORDER BY 1")
    running = sum(row["count"] for row in counts if row["status"] == "processing")
    assert [tuple(row) for row in counts] == [("pending", 0, 60 - running), ("processing", 1, running)]
    assert {await house.stage(lease.job.id) for lease in heard} == {"running"}


async def _until_at_most_run(house: House, count: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await house.sql.fetchval("SELECT count(*) FROM gosynq.running") > count:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
