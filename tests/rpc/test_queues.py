"""QueueService over the real service and a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from gosynq.v1 import job_pb2, queue_pb2
from gosynq.v1.queue_service_pb2 import (
    DeleteQueueRequest,
    DrainQueueRequest,
    GetQueueRequest,
    GetStatsRequest,
    ListQueuesRequest,
    PauseQueueRequest,
    PurgeQueueRequest,
    ResumeQueueRequest,
    UpdateQueueRequest,
)
from gosynq.v1.queue_service_pb2_grpc import QueueServiceStub
from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.rpc.server import RpcOptions, build_server
from tests.rpc.real import services_of
from tests.rpc.refusals import refusal_of
from tests.service.house import FATAL, HOUR, House, open_house

if TYPE_CHECKING:
    from gosynq.v1.queue_service_pb2_grpc import QueueServiceAsyncStub

EVERYTHING = queue_pb2.Queue(
    name="q",
    description="mails",
    limits=queue_pb2.QueueLimits(
        max_concurrency=0,
        max_leases_per_second=2.5,
        lease_burst=7,
        max_pending=10,
        max_concurrency_per_key=2,
        max_payload_bytes=0,
    ),
    defaults=queue_pb2.QueueDefaults(
        priority=job_pb2.JOB_PRIORITY_LOW,
        max_retries=0,
        retry_policy=job_pb2.RetryPolicy(jitter=0.0, initial_backoff=Duration(seconds=3)),
        lease_duration=Duration(seconds=9),
        attempt_timeout=Duration(seconds=8),
        retention=Duration(),
        dead_letter_retention=Duration(seconds=7),
        max_deliveries=3,
    ),
    order=queue_pb2.QueueOrder(
        priority_ageing=Duration(seconds=6), strict_priorities=True, fairness_weights={"acme": 3}
    ),
)
SETTINGS = ("description", "limits", "defaults", "order")


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_house(database_url) as opened:
        yield opened


@pytest.fixture
async def stub(house: House) -> AsyncIterator[QueueServiceAsyncStub]:
    server = build_server(services_of(house), RpcOptions())
    port = server.bind("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield QueueServiceStub(channel)
    await server.stop(timedelta())


async def _update(stub: QueueServiceAsyncStub, queue: queue_pb2.Queue, *paths: str, **fields: Any) -> queue_pb2.Queue:
    request = UpdateQueueRequest(queue=queue, update_mask=FieldMask(paths=paths), **fields)
    return (await stub.UpdateQueue(request)).queue


def _settings(queue: queue_pb2.Queue) -> list[Any]:
    return [getattr(queue, name) for name in SETTINGS]


@pytest.mark.parametrize("paths", [(), ("*",), SETTINGS])
async def test_a_queue_comes_back_as_it_was_sent(stub: QueueServiceAsyncStub, paths: tuple[str, ...]) -> None:
    made = await _update(stub, EVERYTHING, *paths, allow_missing=True)
    read = (await stub.GetQueue(GetQueueRequest(queue="q"))).queue

    assert _settings(made) == _settings(read) == _settings(EVERYTHING)
    assert (read.state, read.etag) == (queue_pb2.QUEUE_STATE_ACTIVE, made.etag)
    assert read.HasField("stats")


async def test_without_a_mask_what_is_not_set_stays(stub: QueueServiceAsyncStub) -> None:
    await _update(stub, EVERYTHING, allow_missing=True)
    change = queue_pb2.Queue(
        name="q",
        limits=queue_pb2.QueueLimits(max_pending=11),
        defaults=queue_pb2.QueueDefaults(retry_policy=job_pb2.RetryPolicy(jitter=0.5)),
    )

    after = await _update(stub, change)

    expected = queue_pb2.Queue()
    expected.CopyFrom(EVERYTHING)
    expected.limits.max_pending = 11
    expected.defaults.retry_policy.jitter = 0.5
    assert _settings(after) == _settings(expected)


async def test_a_mask_clears_what_it_names_and_nothing_sets(stub: QueueServiceAsyncStub) -> None:
    await _update(stub, EVERYTHING, allow_missing=True)

    after = await _update(
        stub, queue_pb2.Queue(name="q"), "limits.max_concurrency", "defaults.retry_policy", "order", "description"
    )

    assert not after.limits.HasField("max_concurrency")
    assert after.limits.max_pending == 10
    assert not after.defaults.HasField("retry_policy")
    assert (after.order, after.description) == (queue_pb2.QueueOrder(), "")


@pytest.mark.parametrize("path", ["state", "limits.max", "order.fairness_weights.acme", "updated_at"])
async def test_a_mask_that_names_something_else_is_refused(stub: QueueServiceAsyncStub, path: str) -> None:
    refusal = await refusal_of(_update(stub, EVERYTHING, "description", path))

    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "UPDATE_MASK_INVALID")
    assert refusal.metadata == {"path": path}


async def test_an_old_etag_is_refused_with_the_present_one(stub: QueueServiceAsyncStub) -> None:
    made = await _update(stub, EVERYTHING, allow_missing=True)
    change = queue_pb2.Queue(name="q", description="x", etag="old")

    for call in (_update(stub, change), stub.DeleteQueue(DeleteQueueRequest(queue="q", etag="old"))):
        refusal = await refusal_of(call)
        assert (refusal.code, refusal.reason) == ("ABORTED", "ETAG_MISMATCH")
        assert refusal.metadata == {"etag": made.etag}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"limits": {"max_concurrency": -1}}, "queue.limits.max_concurrency"),
        ({"limits": {"max_leases_per_second": float("nan")}}, "queue.limits.max_leases_per_second"),
        ({"defaults": {"retention": Duration(seconds=-1)}}, "queue.defaults.retention"),
        ({"defaults": {"retry_policy": {"jitter": 2}}}, "queue.defaults.retry_policy.jitter"),
        ({"order": {"fairness_weights": {"a": 0}}}, "queue.order.fairness_weights['a']"),
        ({"description": "a\0"}, "queue.description"),
        ({"name": "a b"}, "queue.name"),
    ],
)
async def test_a_field_that_breaks_a_rule_is_named(
    stub: QueueServiceAsyncStub, change: dict[str, Any], field: str
) -> None:
    queue = queue_pb2.Queue(**({"name": "q"} | change))

    refusal = await refusal_of(_update(stub, queue, allow_missing=True))

    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", (field,))


async def test_a_queue_that_is_not_there_is_named(stub: QueueServiceAsyncStub) -> None:
    for call in (
        stub.GetQueue(GetQueueRequest(queue="q")),
        _update(stub, EVERYTHING),
        stub.DeleteQueue(DeleteQueueRequest(queue="q", force=True)),
        stub.PauseQueue(PauseQueueRequest(queue="q")),
        stub.ResumeQueue(ResumeQueueRequest(queue="q")),
        stub.DrainQueue(DrainQueueRequest(queue="q")),
        stub.PurgeQueue(PurgeQueueRequest(queue="q")),
        stub.PurgeQueue(PurgeQueueRequest(queue="q", validate_only=True)),
    ):
        refusal = await refusal_of(call)
        assert (refusal.code, refusal.reason, refusal.metadata) == ("NOT_FOUND", "QUEUE_NOT_FOUND", {"queue": "q"})
    await stub.DeleteQueue(DeleteQueueRequest(queue="q", allow_missing=True))


async def test_a_queue_goes_through_its_states(stub: QueueServiceAsyncStub, house: House) -> None:
    await house.add()

    paused = (await stub.PauseQueue(PauseQueueRequest(queue="q", reason="upgrade"))).queue
    drained = (await stub.DrainQueue(DrainQueueRequest(queue="q", reason="end"))).queue
    resumed = (await stub.ResumeQueue(ResumeQueueRequest(queue="q"))).queue

    assert [(queue.state, queue.state_reason) for queue in (paused, drained, resumed)] == [
        (queue_pb2.QUEUE_STATE_PAUSED, "upgrade"),
        (queue_pb2.QUEUE_STATE_DRAINING, "end"),
        (queue_pb2.QUEUE_STATE_ACTIVE, ""),
    ]
    assert paused.state_changed_at.ToDatetime() < drained.state_changed_at.ToDatetime()


async def test_a_purge_says_how_many_it_would_delete_and_deletes_them(
    stub: QueueServiceAsyncStub, house: House
) -> None:
    for _ in range(3):
        await house.add()
    asked = PurgeQueueRequest(queue="q", limit=2)

    would = await stub.PurgeQueue(PurgeQueueRequest(queue="q", limit=2, validate_only=True))
    first, second = await stub.PurgeQueue(asked), await stub.PurgeQueue(asked)

    assert [(answer.deleted, answer.more) for answer in (would, first, second)] == [(2, True), (2, True), (1, False)]


@pytest.mark.parametrize("status", [job_pb2.JOB_STATUS_UNSPECIFIED, job_pb2.JOB_STATUS_PROCESSING])
async def test_a_purge_of_running_jobs_is_refused(stub: QueueServiceAsyncStub, status: Any) -> None:
    refusal = await refusal_of(stub.PurgeQueue(PurgeQueueRequest(queue="q", statuses=[status])))

    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ("statuses[0]",))


async def test_a_queue_with_jobs_needs_force(stub: QueueServiceAsyncStub, house: House) -> None:
    await house.add()

    refusal = await refusal_of(stub.DeleteQueue(DeleteQueueRequest(queue="q")))
    await stub.DeleteQueue(DeleteQueueRequest(queue="q", force=True))

    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "QUEUE_NOT_EMPTY")
    assert refusal.metadata == {"queue": "q", "jobs": "1"}


async def test_a_queue_that_is_being_deleted_says_so(stub: QueueServiceAsyncStub, house: House) -> None:
    await house.sql.execute("INSERT INTO gosynq.queues (name, state, is_deleting) VALUES ('q', 'paused', true)")

    shown = (await stub.GetQueue(GetQueueRequest(queue="q"))).queue
    refusal = await refusal_of(stub.ResumeQueue(ResumeQueueRequest(queue="q")))

    assert shown.state == queue_pb2.QUEUE_STATE_DELETING
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "QUEUE_DELETING")


async def test_queues_and_all_jobs_are_counted(stub: QueueServiceAsyncStub, house: House) -> None:
    await house.settle(await house.started(), Succeeded())
    await house.settle(await house.started(queue="dead"), FATAL)
    await house.started()
    await house.add(delay=HOUR)
    await house.add()

    listed = {queue.name: queue for queue in (await stub.ListQueues(ListQueuesRequest(include_stats=True))).queues}
    stats = await stub.GetStats(GetStatsRequest())

    told = listed["q"].stats
    assert (told.ready, told.scheduled, told.processing, told.completed, told.failed) == (1, 1, 1, 1, 0)
    assert (stats.total_jobs, stats.pending_jobs, stats.processing_jobs, stats.completed_jobs) == (5, 2, 1, 1)
    assert (stats.failed_jobs, stats.cancelled_jobs, listed["dead"].stats.failed) == (1, 0, 1)


async def test_pages_of_queues_follow_each_other(stub: QueueServiceAsyncStub, house: House) -> None:
    for name in ("a", "b", "c"):
        await house.add(queue=name)

    first = await stub.ListQueues(ListQueuesRequest(page_size=2))
    second = await stub.ListQueues(ListQueuesRequest(page_size=2, page_token=first.next_page_token))

    assert [[queue.name for queue in page.queues] for page in (first, second)] == [["a", "b"], ["c"]]
    assert not first.queues[0].HasField("stats")
    assert second.next_page_token == ""
    refusal = await refusal_of(stub.ListQueues(ListQueuesRequest(page_token="another")))
    assert refusal.reason == "PAGE_TOKEN_INVALID"
