"""Queues as callers get them, and what callers want them to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gosynq.v1 import job_pb2, queue_pb2, queue_service_pb2
from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.queue import QueueState
from gosynq_server.domain.queue_settings import GROUPS, QueueSettings, QueueUpdate, leaves_of
from gosynq_server.rpc.convert import (
    PRIORITIES,
    PRIORITY_NUMBERS,
    STATUSES,
    duration,
    given,
    length_given,
    text_of,
    timestamp,
)
from gosynq_server.rpc.convert_specs import policy_message, policy_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.message import Message

    from gosynq_server.domain.queue_settings import QueueDetails
    from gosynq_server.domain.queue_stats import QueueStats, QueueTotals
    from gosynq_server.service.queue_verbs import QueuePage, QueueShown

STATE_NUMBERS = {state: queue_pb2.QueueState.Value(f"QUEUE_STATE_{state.name}") for state in QueueState}

_UNSPECIFIED = job_pb2.BACKOFF_STRATEGY_UNSPECIFIED
_DEFAULT_PAGE_SIZE = 100
_LARGEST_PAGE_SIZE = 1000
_DEFAULT_PURGE = 1000


def page_size_of(asked: int) -> int:
    """Return how many queues to give: 0 asks for the default, too many for the most (AIP-158)."""
    return min(asked or _DEFAULT_PAGE_SIZE, _LARGEST_PAGE_SIZE)


def purge_of(request: queue_service_pb2.PurgeQueueRequest) -> tuple[frozenset[JobStatus], int]:
    """Return which jobs a caller wants deleted, and how many at most."""
    statuses = frozenset(STATUSES[number] for number in request.statuses)
    return statuses or frozenset({JobStatus.PENDING}), request.limit or _DEFAULT_PURGE


def update_of(request: queue_service_pb2.UpdateQueueRequest) -> QueueUpdate:
    """Return how a caller wants a queue changed; raises UpdateMaskInvalid, and ValidationFailed naming the field."""
    queue = request.queue
    paths = request.update_mask.paths
    return QueueUpdate(
        name=queue.name,
        settings=_settings_of(queue),
        paths=leaves_of(paths) if paths else frozenset(_paths_that_are_set(queue)),
        etag=text_of(queue.etag, "queue.etag"),
        allow_missing=request.allow_missing,
    )


def queue_message(details: QueueDetails, stats: QueueStats | None = None) -> queue_pb2.Queue:
    """Return a queue; what it leaves to the server is unset."""
    said = details.settings
    return queue_pb2.Queue(
        name=details.name,
        state=STATE_NUMBERS[details.state],
        state_reason=details.state_reason,
        state_changed_at=timestamp(details.state_changed_at),
        limits=_plain_message(queue_pb2.QueueLimits, said, GROUPS["limits"]),
        defaults=_defaults_message(said),
        order=_order_message(said),
        description=said.description,
        created_at=timestamp(details.created_at),
        updated_at=timestamp(details.updated_at),
        etag=details.etag,
        stats=None if stats is None else _stats_message(stats),
    )


def shown_message(shown: QueueShown) -> queue_pb2.Queue:
    """Return a queue with what is in it."""
    return queue_message(shown.details, shown.stats)


def page_message(page: QueuePage) -> queue_service_pb2.ListQueuesResponse:
    """Return a page of queues."""
    queues = map(shown_message, page.queues)
    return queue_service_pb2.ListQueuesResponse(queues=queues, next_page_token=page.next_page_token)


def totals_message(totals: Iterable[QueueTotals]) -> queue_service_pb2.GetStatsResponse:
    """Return the jobs of all queues together."""
    sums: dict[str, int] = dict.fromkeys(JobStatus, 0)
    for total in totals:
        for status, jobs in total.counts.items():
            sums[status] += jobs
    counts = {f"{status}_jobs": jobs for status, jobs in sums.items()}
    return queue_service_pb2.GetStatsResponse(total_jobs=sum(sums.values()), **counts)


def _settings_of(queue: queue_pb2.Queue) -> QueueSettings:
    limits, defaults, order = queue.limits, queue.defaults, queue.order
    where = "queue.defaults"
    policy = policy_of(defaults.retry_policy, f"{where}.retry_policy") if defaults.HasField("retry_policy") else None
    names = ("lease_duration", "attempt_timeout", "retention", "dead_letter_retention")
    lengths: dict[str, Any] = {name: length_given(defaults, name, where) for name in names}
    return QueueSettings(
        description=text_of(queue.description, "queue.description"),
        **{name: given(limits, name) for name in GROUPS["limits"]},
        priority=PRIORITIES[defaults.priority],
        max_retries=given(defaults, "max_retries"),
        max_deliveries=given(defaults, "max_deliveries"),
        retry_policy=policy,
        **lengths,
        priority_ageing=length_given(order, "priority_ageing", "queue.order"),
        strict_priorities=order.strict_priorities,
        fairness_weights=dict(order.fairness_weights),
    )


def _paths_that_are_set(queue: queue_pb2.Queue) -> Iterator[str]:
    if queue.description:
        yield "description"
    for group in GROUPS:
        for path in _set_in(getattr(queue, group), group):
            if path != "defaults.retry_policy":
                yield path
    yield from _set_in(queue.defaults.retry_policy, "defaults.retry_policy")


def _set_in(message: Message, path: str) -> Iterator[str]:
    return (f"{path}.{field.name}" for field, _ in message.ListFields())


def _plain_message(make: Any, said: QueueSettings, names: Iterable[str]) -> Any:
    return make(**{name: getattr(said, name) for name in names})


def _defaults_message(said: QueueSettings) -> queue_pb2.QueueDefaults:
    return queue_pb2.QueueDefaults(
        priority=job_pb2.JOB_PRIORITY_UNSPECIFIED if said.priority is None else PRIORITY_NUMBERS[said.priority],
        max_retries=said.max_retries,
        max_deliveries=said.max_deliveries,
        retry_policy=None if said.retry_policy is None else policy_message(said.retry_policy),
        lease_duration=duration(said.lease_duration),
        attempt_timeout=duration(said.attempt_timeout),
        retention=duration(said.retention),
        dead_letter_retention=duration(said.dead_letter_retention),
    )


def _order_message(said: QueueSettings) -> queue_pb2.QueueOrder:
    return queue_pb2.QueueOrder(
        priority_ageing=duration(said.priority_ageing),
        strict_priorities=said.strict_priorities,
        fairness_weights=said.fairness_weights,
    )


def _stats_message(stats: QueueStats) -> queue_pb2.QueueStats:
    return queue_pb2.QueueStats(
        ready=stats.ready,
        scheduled=stats.scheduled,
        processing=stats.processing,
        completed=stats.completed,
        failed=stats.failed,
        cancelled=stats.cancelled,
        oldest_ready_age=duration(stats.oldest_ready_age),
        workers=stats.workers,
        enqueued_per_second=stats.enqueued_per_second,
        completed_per_second=stats.completed_per_second,
        failed_per_second=stats.failed_per_second,
    )
