from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from gosynq.v1 import job_pb2, queue_pb2, queue_service_pb2
from gosynq_client import (
    BackoffStrategy,
    BulkSummary,
    Client,
    ClientOptions,
    JobStatus,
    JobTotals,
    Priority,
    Queue,
    QueueDefaults,
    QueueLimits,
    QueueOrder,
    QueueState,
    QueueStats,
    RetryPolicy,
    Unavailable,
)
from tests.contract.client.scripted import UNAVAILABLE, Script

MESSAGE = queue_pb2.Queue(
    name="mail",
    state=queue_pb2.QUEUE_STATE_PAUSED,
    state_reason="the relay is down",
    state_changed_at=Timestamp(seconds=1),
    limits=queue_pb2.QueueLimits(max_concurrency=0, max_leases_per_second=1.5, max_concurrency_per_key=2),
    defaults=queue_pb2.QueueDefaults(
        priority=job_pb2.JOB_PRIORITY_HIGH,
        max_retries=0,
        retry_policy=job_pb2.RetryPolicy(strategy=job_pb2.BACKOFF_STRATEGY_FIXED),
        retention=Duration(),
    ),
    order=queue_pb2.QueueOrder(priority_ageing=Duration(seconds=60), fairness_weights={"acme": 3}),
    description="letters",
    created_at=Timestamp(seconds=2),
    updated_at=Timestamp(seconds=3),
    etag="7",
    stats=queue_pb2.QueueStats(ready=1, workers=2, oldest_ready_age=Duration(seconds=4), failed_per_second=0.5),
)


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


QUEUE = Queue(
    name="mail",
    state=QueueState.PAUSED,
    state_reason="the relay is down",
    state_changed_at=moment(1),
    limits=QueueLimits(max_concurrency=0, max_leases_per_second=1.5, max_concurrency_per_key=2),
    defaults=QueueDefaults(
        priority=Priority.HIGH,
        max_retries=0,
        retry_policy=RetryPolicy(strategy=BackoffStrategy.FIXED),
        retention=timedelta(),
    ),
    order=QueueOrder(priority_ageing=timedelta(minutes=1), strict_priorities=False, fairness_weights={"acme": 3}),
    description="letters",
    created_at=moment(2),
    updated_at=moment(3),
    etag="7",
    stats=QueueStats(
        ready=1,
        scheduled=0,
        processing=0,
        completed=0,
        failed=0,
        cancelled=0,
        oldest_ready_age=timedelta(seconds=4),
        workers=2,
        enqueued_per_second=0,
        completed_per_second=0,
        failed_per_second=0.5,
    ),
)


async def test_a_queue_is_read_field_by_field(script: Script, client: Client) -> None:
    script.answer("GetQueue", queue_service_pb2.GetQueueResponse(queue=MESSAGE))

    assert await client.queues.get("mail") == QUEUE
    assert script.requests("GetQueue") == [queue_service_pb2.GetQueueRequest(queue="mail")]


async def test_queues_are_listed_page_after_page(script: Script, client: Client) -> None:
    script.answer(
        "ListQueues",
        queue_service_pb2.ListQueuesResponse(queues=[queue_pb2.Queue(name="a")], next_page_token="next"),
        queue_service_pb2.ListQueuesResponse(queues=[queue_pb2.Queue(name="b")]),
    )

    assert [queue.name async for queue in client.queues.list(with_stats=True, page_size=1)] == ["a", "b"]
    assert script.requests("ListQueues") == [
        queue_service_pb2.ListQueuesRequest(include_stats=True, page_size=1),
        queue_service_pb2.ListQueuesRequest(include_stats=True, page_size=1, page_token="next"),
    ]


async def test_an_update_names_what_is_said_and_what_is_cleared_and_nothing_else(
    script: Script, client: Client
) -> None:
    script.answer("UpdateQueue", queue_service_pb2.UpdateQueueResponse(queue=MESSAGE))

    await client.queues.update(
        "mail",
        limits=QueueLimits(max_concurrency=0),
        defaults=QueueDefaults(retry_policy=RetryPolicy(jitter=0.0), retention=timedelta()),
        order=QueueOrder(strict_priorities=False, fairness_weights={}),
        clear=["limits.max_pending"],
        etag="7",
        create=True,
    )

    [request] = script.requests("UpdateQueue")
    assert request == queue_service_pb2.UpdateQueueRequest(
        queue=queue_pb2.Queue(
            name="mail",
            limits=queue_pb2.QueueLimits(max_concurrency=0),
            defaults=queue_pb2.QueueDefaults(retry_policy=job_pb2.RetryPolicy(jitter=0), retention=Duration()),
            order=queue_pb2.QueueOrder(),
            etag="7",
        ),
        update_mask=FieldMask(
            paths=[
                "limits.max_concurrency",
                "defaults.retry_policy.jitter",
                "defaults.retention",
                "order.strict_priorities",
                "order.fairness_weights",
                "limits.max_pending",
            ]
        ),
        allow_missing=True,
    )


async def test_a_misspelt_setting_is_refused(client: Client) -> None:
    with pytest.raises(TypeError, match="there is no option 'limit'; there are description, limits, defaults, order"):
        await client.queues.update("mail", limit=QueueLimits())  # type: ignore[call-arg]  # what it is about


async def test_one_text_is_no_list_of_fields_to_clear(client: Client) -> None:
    with pytest.raises(TypeError, match="clear is a list of texts"):
        await client.queues.update("mail", clear="limits")  # type: ignore[arg-type]  # what it is about


async def test_a_queue_is_paused_resumed_drained_and_deleted(script: Script, client: Client) -> None:
    script.answer("PauseQueue", queue_service_pb2.PauseQueueResponse(queue=MESSAGE))
    script.answer("ResumeQueue", queue_service_pb2.ResumeQueueResponse(queue=MESSAGE))
    script.answer("DrainQueue", queue_service_pb2.DrainQueueResponse(queue=MESSAGE))
    script.answer("DeleteQueue", queue_service_pb2.DeleteQueueResponse())

    assert await client.queues.pause("mail", reason="why") == QUEUE
    assert await client.queues.resume("mail") == QUEUE
    assert await client.queues.drain("mail", reason="why") == QUEUE
    await client.queues.delete("mail", force=True, allow_missing=True, etag="7")

    assert script.requests("PauseQueue") == [queue_service_pb2.PauseQueueRequest(queue="mail", reason="why")]
    assert script.requests("ResumeQueue") == [queue_service_pb2.ResumeQueueRequest(queue="mail")]
    assert script.requests("DrainQueue") == [queue_service_pb2.DrainQueueRequest(queue="mail", reason="why")]
    assert script.requests("DeleteQueue") == [
        queue_service_pb2.DeleteQueueRequest(queue="mail", force=True, allow_missing=True, etag="7")
    ]


async def test_a_purge_goes_on_while_there_is_more_and_gives_the_sum(script: Script, client: Client) -> None:
    script.answer(
        "PurgeQueue",
        queue_service_pb2.PurgeQueueResponse(deleted=2, more=True),
        queue_service_pb2.PurgeQueueResponse(deleted=1),
    )

    purge = client.queues.purge("mail", statuses=[JobStatus.FAILED], limit=2)

    assert [done async for done in purge] == [BulkSummary(affected=2, more=True), BulkSummary(affected=3)]
    request = queue_service_pb2.PurgeQueueRequest(queue="mail", statuses=[job_pb2.JOB_STATUS_FAILED], limit=2)
    assert script.requests("PurgeQueue") == [request, request]


async def test_a_purge_that_deletes_nothing_is_over_whatever_it_says(script: Script, client: Client) -> None:
    script.answer("PurgeQueue", queue_service_pb2.PurgeQueueResponse(deleted=0, more=True))

    assert [done async for done in client.queues.purge("mail")] == [BulkSummary(affected=0, more=True)]


async def test_what_a_purge_would_delete_is_asked_once(script: Script, client: Client) -> None:
    script.answer("PurgeQueue", queue_service_pb2.PurgeQueueResponse(deleted=1000, more=True))

    [would] = [done async for done in client.queues.purge("mail", validate_only=True)]

    assert would == BulkSummary(affected=1000, more=True)


async def test_a_purge_is_not_retried_so_that_the_sum_is_right(script: Script, client: Client) -> None:
    script.answer("PurgeQueue", UNAVAILABLE, queue_service_pb2.PurgeQueueResponse(deleted=1))

    with pytest.raises(Unavailable):
        await anext(client.queues.purge("mail"))

    assert len(script.requests("PurgeQueue")) == 1


async def test_the_totals_are_read(script: Script, client: Client) -> None:
    script.answer("GetStats", queue_service_pb2.GetStatsResponse(total_jobs=3, pending_jobs=1, failed_jobs=2))

    assert await client.queues.stats() == JobTotals(
        total_jobs=3, pending_jobs=1, processing_jobs=0, completed_jobs=0, failed_jobs=2, cancelled_jobs=0
    )


async def test_each_call_carries_the_token(script: Script, target: str) -> None:
    script.answer("GetQueue", queue_service_pb2.GetQueueResponse(queue=MESSAGE))
    async with Client(target, ClientOptions(token="secret")) as client:
        await client.queues.get("mail")

    assert script.received["GetQueue"][0].metadata["authorization"] == "Bearer secret"
