"""Queues between the client's values and the contract's messages."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask

from gosynq.v1 import queue_pb2, queue_service_pb2
from gosynq_client.checked_options import check_list, check_options
from gosynq_client.enums import PRIORITIES, QUEUE_STATES
from gosynq_client.jobs import Priority, RetryPolicy
from gosynq_client.queue_info import (
    JobTotals,
    Queue,
    QueueDefaults,
    QueueLimits,
    QueueOrder,
    QueueSettings,
    QueueState,
    QueueStats,
)
from gosynq_client.replies import length_if_set, moment_if_set, read_retry_policy
from gosynq_client.requests import priority_number, retry_policy
from gosynq_client.times import duration, moment_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gosynq_client.listing import Names


def queue_update(
    name: str, settings: QueueSettings, *, clear: Names, etag: str, create: bool
) -> queue_service_pb2.UpdateQueueRequest:
    """Ask for a queue to be changed in what the settings say, and by the server's word in the fields to clear.

    Raises TypeError for an option that is none, ValueError for a priority or strategy that is none.
    """
    check_options(settings, QueueSettings)
    check_list("clear", clear)
    queue = queue_pb2.Queue(
        name=name,
        description=settings.get("description", ""),
        limits=_limits_message(settings.get("limits")),
        defaults=_defaults_message(settings.get("defaults")),
        order=_order_message(settings.get("order")),
        etag=etag,
    )
    paths = dict.fromkeys([*_paths_said(settings), *clear])
    return queue_service_pb2.UpdateQueueRequest(
        queue=queue, update_mask=FieldMask(paths=list(paths)), allow_missing=create
    )


def read_queue(message: queue_pb2.Queue) -> Queue:
    """Read a queue."""
    return Queue(
        name=message.name,
        state=QUEUE_STATES.get(message.state, QueueState.UNKNOWN),
        state_reason=message.state_reason,
        state_changed_at=moment_if_set(message, "state_changed_at"),
        limits=QueueLimits(**_if_set(message.limits, [field.name for field in fields(QueueLimits)])),
        defaults=_read_defaults(message.defaults),
        order=QueueOrder(
            priority_ageing=length_if_set(message.order, "priority_ageing"),
            strict_priorities=message.order.strict_priorities,
            fairness_weights=dict(message.order.fairness_weights),
        ),
        description=message.description,
        created_at=moment_of(message.created_at),
        updated_at=moment_of(message.updated_at),
        etag=message.etag,
        stats=_read_stats(message.stats) if message.HasField("stats") else None,
    )


def read_totals(message: queue_service_pb2.GetStatsResponse) -> JobTotals:
    """Read how many jobs there are in all queues."""
    return JobTotals(**{field.name: getattr(message, field.name) for field in fields(JobTotals)})


def _paths_said(said: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    for name, value in said.items():
        if isinstance(value, QueueLimits | QueueDefaults | QueueOrder | RetryPolicy):
            inner = {field.name: getattr(value, field.name) for field in fields(value)}
            yield from _paths_said(inner, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}"


def _limits_message(limits: QueueLimits | None) -> queue_pb2.QueueLimits | None:
    if limits is None:
        return None
    return queue_pb2.QueueLimits(**{field.name: getattr(limits, field.name) for field in fields(limits)})


def _defaults_message(defaults: QueueDefaults | None) -> queue_pb2.QueueDefaults | None:
    if defaults is None:
        return None
    return queue_pb2.QueueDefaults(
        priority=priority_number(defaults.priority),
        max_retries=defaults.max_retries,
        retry_policy=retry_policy(defaults.retry_policy),
        lease_duration=duration(defaults.lease_duration),
        attempt_timeout=duration(defaults.attempt_timeout),
        retention=duration(defaults.retention),
        dead_letter_retention=duration(defaults.dead_letter_retention),
        max_deliveries=defaults.max_deliveries,
    )


def _order_message(order: QueueOrder | None) -> queue_pb2.QueueOrder | None:
    if order is None:
        return None
    return queue_pb2.QueueOrder(
        priority_ageing=duration(order.priority_ageing),
        strict_priorities=bool(order.strict_priorities),
        fairness_weights=order.fairness_weights or {},
    )


def _read_defaults(message: queue_pb2.QueueDefaults) -> QueueDefaults:
    return QueueDefaults(
        priority=PRIORITIES.get(message.priority, Priority.UNKNOWN) if message.priority else None,
        retry_policy=read_retry_policy(message.retry_policy) if message.HasField("retry_policy") else None,
        **_if_set(message, ["max_retries", "max_deliveries"]),
        lease_duration=length_if_set(message, "lease_duration"),
        attempt_timeout=length_if_set(message, "attempt_timeout"),
        retention=length_if_set(message, "retention"),
        dead_letter_retention=length_if_set(message, "dead_letter_retention"),
    )


def _read_stats(message: queue_pb2.QueueStats) -> QueueStats:
    said = {field.name: getattr(message, field.name) for field in fields(QueueStats)}
    return QueueStats(**{**said, "oldest_ready_age": length_if_set(message, "oldest_ready_age")})


def _if_set(message: Any, names: list[str]) -> dict[str, Any]:
    return {name: getattr(message, name) if message.HasField(name) else None for name in names}
