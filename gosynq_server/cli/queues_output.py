"""How queues are shown."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.cli.output import print_fields, print_json, print_line, print_table
from gosynq_server.cli.queue_flags import FIELDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from gosynq_client import JobTotals, Queue, QueueStats

_COLUMNS = (
    *("QUEUE", "STATE", "READY", "SCHEDULED", "PROCESSING", "FAILED", "OLDEST", "WORKERS", "IN/S", "OUT/S"),
    "LIMITS",
)


async def tell_queues(queues: AsyncIterator[Queue], *, json: bool) -> None:
    """Print queues: a table, or one document a line as they come."""
    rows = []
    async for queue in queues:
        if json:
            print_json(queue)
        else:
            rows.append(_row(queue))
    if not json:
        print_table(_COLUMNS, rows)


def tell_queue(queue: Queue, *, json: bool) -> None:
    """Print one queue: itself, what it was told by the options that say it, and what is in it."""
    if json:
        print_json(queue)
        return
    told = {option: _said(queue, path) for option, path in FIELDS.items()}
    known = {"name": queue.name, **_state(queue), "etag": queue.etag, "created": queue.created_at}
    print_fields({**known, "updated": queue.updated_at, **told, **(_stats(queue.stats) if queue.stats else {})})


def tell_state(queue: Queue, *, json: bool) -> None:
    """Print what became of a queue."""
    if json:
        print_json(queue)
    else:
        print_line(f"{queue.name} is {queue.state.value}")


def tell_stats(queue: Queue, *, json: bool) -> None:
    """Print what is in a queue."""
    if json:
        print_json(queue.stats)
    elif queue.stats:
        print_fields(_stats(queue.stats))
    else:
        print_line("the jobs are not counted yet")


def tell_totals(totals: JobTotals, *, json: bool) -> None:
    """Print how many jobs there are in all queues."""
    if json:
        print_json(totals)
    else:
        print_fields({name.removesuffix("_jobs"): count for name, count in asdict(totals).items()})


def _state(queue: Queue) -> dict[str, object]:
    return {"state": queue.state.value, "reason": queue.state_reason, "since": queue.state_changed_at}


def _said(queue: Queue, path: str) -> object:
    """Give the value at a path of the contract's; None where it is not set."""
    value: object = queue
    for name in path.split("."):
        value = getattr(value, name, None)
    return None if value is False else value


def _stats(stats: QueueStats) -> Mapping[str, object]:
    said = {each.name: getattr(stats, each.name) for each in fields(stats)}
    return {name.replace("_", " ").replace(" per second", "/s"): _rounded(value) for name, value in said.items()}


def _rounded(value: object) -> object:
    match value:
        case float():
            return round(value, 2)
        case timedelta():
            return timedelta(seconds=round(value.total_seconds()))
        case _:
            return value


def _row(queue: Queue) -> tuple[object, ...]:
    stats = queue.stats
    limits = {each.name: getattr(queue.limits, each.name) for each in fields(queue.limits)}
    told = " ".join(f"{name}={value:g}" for name, value in limits.items() if value is not None)
    if stats is None:
        return (queue.name, queue.state.value, *[None] * 8, told)
    return (
        queue.name,
        queue.state.value,
        stats.ready,
        stats.scheduled,
        stats.processing,
        stats.failed,
        _rounded(stats.oldest_ready_age),
        stats.workers,
        _rounded(stats.enqueued_per_second),
        _rounded(stats.completed_per_second),
        told,
    )
