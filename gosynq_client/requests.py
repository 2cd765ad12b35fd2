"""Says in the contract's words what a caller asks for."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from gosynq.v1 import event_service_pb2, job_pb2, job_service_pb2
from gosynq_client import content
from gosynq_client.checked_options import check_options
from gosynq_client.enums import DEBOUNCE_MODES, EVENT_TYPES, PRIORITIES, STATUSES, STRATEGIES, number_of
from gosynq_client.event_filters import EventListOptions, WatchOptions
from gosynq_client.listing import JobFilters
from gosynq_client.times import duration, timestamp

if TYPE_CHECKING:
    from gosynq_client.event_filters import EventFilters
    from gosynq_client.jobs import BackoffStrategy, DebounceMode, JobRequest, Priority, RetryPolicy

_HEARTBEAT = timedelta(seconds=15)


def with_key(request: JobRequest) -> JobRequest:
    """Give the request an idempotency key of its own, unless its caller chose one, or chose to have none.

    A debounce key goes with no idempotency key.
    """
    if request.idempotency_key is not None or request.debounce_key:
        return request
    return replace(request, idempotency_key=str(uuid.uuid4()))


def job_spec(request: JobRequest) -> job_pb2.JobSpec:
    """Say what the job is. Raises TypeError or ValueError for what can't be said; the rest the server judges."""
    if request.run_at is not None and request.delay is not None:
        raise ValueError("run_at and delay exclude each other")
    payload, content_type = content.encode(request.payload, request.content_type)
    return job_pb2.JobSpec(
        queue=request.queue,
        kind=request.kind,
        payload_bytes=payload,
        content_type=content_type,
        priority=priority_number(request.priority),
        max_retries=request.max_retries,
        max_deliveries=request.max_deliveries,
        run_at=timestamp(request.run_at),
        delay=duration(request.delay),
        idempotency_key=request.idempotency_key or "",
        labels=request.labels,
        headers=request.headers,
        retry_policy=retry_policy(request.retry_policy),
        lease_duration=duration(request.lease_duration),
        attempt_timeout=duration(request.attempt_timeout),
        expires_at=timestamp(request.expires_at),
        retention=duration(request.retention),
        concurrency_key=request.concurrency_key,
        ordering_key=request.ordering_key,
        fairness_key=request.fairness_key,
        debounce_key=request.debounce_key,
        debounce_mode=_debounce_mode(request.debounce_mode),
    )


def retry_policy(policy: RetryPolicy | None) -> job_pb2.RetryPolicy | None:
    """Say how long to wait between attempts. Raises ValueError for a strategy that is none."""
    if policy is None:
        return None
    return job_pb2.RetryPolicy(
        strategy=_strategy(policy.strategy),
        initial_backoff=duration(policy.initial_backoff),
        multiplier=policy.multiplier,
        max_backoff=duration(policy.max_backoff),
        jitter=policy.jitter,
    )


def priority_number(priority: Priority | None) -> job_pb2.JobPriority.ValueType:
    """Say the priority; none said is the queue's. Raises ValueError for one that is none."""
    return job_pb2.JOB_PRIORITY_UNSPECIFIED if priority is None else number_of(PRIORITIES, priority)


def first_page(filters: JobFilters) -> job_service_pb2.ListJobsRequest:
    """Ask for the first page of the jobs that pass.

    Raises TypeError for an option that is none, ValueError for a status or priority that is none.
    """
    check_options(filters, JobFilters)
    return job_service_pb2.ListJobsRequest(
        status=[number_of(STATUSES, status) for status in filters.get("statuses", ())],
        queue=filters.get("queues", ()),
        kind=filters.get("kinds", ()),
        priority=[number_of(PRIORITIES, priority) for priority in filters.get("priorities", ())],
        filter=filters.get("filter", ""),
        order_by="created_at" if filters.get("oldest_first", False) else "",
        page_size=filters.get("page_size", 0),
        view=job_pb2.JOB_VIEW_FULL if filters.get("full", False) else job_pb2.JOB_VIEW_BASIC,
    )


def first_events(options: EventListOptions) -> event_service_pb2.ListEventsRequest:
    """Ask for the first page of the stored events that pass.

    Raises TypeError for an option that is none, ValueError for a type or priority that is none.
    """
    check_options(options, EventListOptions)
    return event_service_pb2.ListEventsRequest(
        **_conditions(options),
        start_at=timestamp(options.get("start_at")),
        end_at=timestamp(options.get("end_at")),
        page_size=options.get("page_size", 0),
    )


def watch_events(options: WatchOptions, *, snapshot: bool) -> event_service_pb2.WatchEventsRequest:
    """Ask for a watch.

    Raises TypeError for an option that is none, ValueError for a type or priority that is none, or two places to begin
    at.
    """
    check_options(options, WatchOptions)
    starts = _starts(options)
    if len(starts) > 1:
        raise ValueError(f"{' and '.join(starts)} exclude each other")
    return event_service_pb2.WatchEventsRequest(
        **_conditions(options),
        **starts,
        snapshot=snapshot,
        stop_when_terminal=options.get("stop_when_terminal", False),
        heartbeat_interval=duration(options.get("heartbeat_interval", _HEARTBEAT)),
        max_batch_size=options.get("max_batch_size", 0),
    )


def _starts(options: WatchOptions) -> dict[str, Any]:
    """Give each place to begin at that was said."""
    places = {
        "cursor": options.get("cursor"),
        "start_at": timestamp(options.get("start_at")),
        "from_oldest": options.get("from_oldest") or None,
    }
    return {name: place for name, place in places.items() if place is not None}


def _conditions(filters: EventFilters) -> dict[str, Any]:
    """Give the fields that both requests for events have."""
    return {
        "queues": filters.get("queues", ()),
        "kinds": filters.get("kinds", ()),
        "types": [number_of(EVENT_TYPES, type_) for type_ in filters.get("types", ())],
        "job_ids": filters.get("job_ids", ()),
        "labels": [f"{name}={value}" for name, value in filters.get("labels", {}).items()],
        "priorities": [number_of(PRIORITIES, priority) for priority in filters.get("priorities", ())],
        "include_payload": filters.get("include_payload", False),
    }


def _strategy(strategy: BackoffStrategy | None) -> job_pb2.BackoffStrategy.ValueType:
    return job_pb2.BACKOFF_STRATEGY_UNSPECIFIED if strategy is None else number_of(STRATEGIES, strategy)


def _debounce_mode(mode: DebounceMode | None) -> job_pb2.DebounceMode.ValueType:
    return job_pb2.DEBOUNCE_MODE_UNSPECIFIED if mode is None else number_of(DEBOUNCE_MODES, mode)
