"""Watches in which all went well, drawn by chance, to be spoiled."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lifecycle import EventType
from tests.fault.factories import event as stored_event
from tests.fault.factories import job_row
from tests.fault.tables import Tables
from tests.fault.watched import Connection, Seen

_ENDS = (
    (EventType.SUCCEEDED, JobStatus.COMPLETED),
    (EventType.DEAD_LETTERED, JobStatus.FAILED),
    (EventType.CANCELLED, JobStatus.CANCELLED),
)


def good_order(random: Random) -> list[Seen]:
    """Draw the events of some jobs, mixed."""
    lives = [_life(f"job-{number}", random) for number in range(random.randrange(3, 12))]
    order = []
    while lives:
        life = random.choice(lives)
        order.append(life.pop(0))
        lives = [life for life in lives if life]
    return order


def tables_of_order(order: Sequence[Seen]) -> Tables:
    """Return the tables that such events should leave."""
    last = {event.job_id: event for event in order}
    return Tables(
        jobs=[job_row(job_id, end.status, end.revision, lease_seq=1, deliveries=1) for job_id, end in last.items()],
        events=[stored_event(seen.job_id, seen.revision, seen.type, seen.status, 1.0) for seen in order],
    )


def cut(order: Sequence[Seen], random: Random) -> list[Connection]:
    """Cut an order into what connections give, each of which may begin some events before the end of all before it."""
    connections = [Connection(begin=0, events=order[: random.randrange(len(order))])]
    reached = len(connections[0].events)
    while reached < len(order):
        begin = max(0, reached - random.randrange(4))
        end = random.randrange(begin, len(order)) + 1
        connections.append(Connection(begin=begin, events=order[begin:end]))
        reached = max(reached, end)
    return connections


def _life(job_id: str, random: Random) -> list[Seen]:
    steps = [(EventType.CREATED, JobStatus.PENDING)]
    for _ in range(random.randrange(3)):
        steps += [(EventType.STARTED, JobStatus.PROCESSING), (EventType.FAILED, JobStatus.PENDING)]
    steps += [(EventType.STARTED, JobStatus.PROCESSING), random.choice(_ENDS)]
    return [
        Seen(event_id=f"{job_id}-{revision}", job_id=job_id, revision=revision, type=type_, status=status)
        for revision, (type_, status) in enumerate(steps, start=1)
    ]
