"""The judge of watches: holds what watchers were given against each other and against the tables (I10); pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, zip_longest

from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lifecycle import EventType
from tests.fault.checker import Invariant, Violation
from tests.fault.tables import Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One event as a watcher was given it."""

    event_id: str
    job_id: str
    revision: int
    type: EventType
    status: JobStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What one connection gave; begin is how many of its watcher's events stand before the cursor that it began at."""

    begin: int
    events: Sequence[Seen]


def check_watches(watches: Mapping[str, Sequence[Connection]], tables: Tables) -> list[Violation]:
    """Hold watches of all events against each other and the tables; watches are connections by a watcher's name."""
    orders = {name: joined(connections) for name, connections in watches.items()}
    told = [(name, of, what) for name, connections in watches.items() for of, what in _check_repeats(connections)]
    for name, order in orders.items():
        found = (*_check_once(order), *_check_order(order), *_check_events(order, tables), *_check_ends(order, tables))
        told += [(name, of, what) for of, what in found]
    for (name, order), (other, other_order) in combinations(orders.items(), 2):
        told += [(f"{name} and {other}", of, what) for of, what in _check_same(order, other_order)]
    return [Violation(invariant=Invariant.EVENTS_TELL_ALL, of=of, what=f"{who}: {what}") for who, of, what in told]


def joined(connections: Sequence[Connection]) -> list[Seen]:
    """Return a watcher's events without what was repeated behind the cursors that it went on from."""
    order: list[Seen] = []
    for connection in connections:
        order[connection.begin : connection.begin + len(connection.events)] = connection.events
    return order


_Found = Iterator[tuple[str, str]]


def _check_repeats(connections: Sequence[Connection]) -> _Found:
    """Find what did not come as it came before, behind the same cursor."""
    order: list[Seen] = []
    for connection in connections:
        end = connection.begin + len(connection.events)
        for before, again in zip(order[connection.begin : end], connection.events, strict=False):
            if before != again:
                yield again.event_id, f"it was repeated in the place of {before}"
        order[connection.begin : end] = connection.events


def _check_once(order: Sequence[Seen]) -> _Found:
    for event_id, count in Counter(event.event_id for event in order).items():
        if count > 1:
            yield event_id, f"it came {count} times"


def _check_order(order: Sequence[Seen]) -> _Found:
    revisions: Counter[str] = Counter()
    for event in order:
        if event.revision != revisions[event.job_id] + 1:
            yield event.job_id, f"revision {event.revision} came after {revisions[event.job_id]}"
        revisions[event.job_id] = event.revision


def _check_events(order: Sequence[Seen], tables: Tables) -> _Found:
    stored = Counter((event.job_id, event.revision, event.type, event.status) for event in tables.events)
    given = Counter((event.job_id, event.revision, event.type, event.status) for event in order)
    for (job_id, *event), count in (stored - given).items():
        yield job_id, f"{event} is stored, and {count} of it did not come"
    for (job_id, *event), count in (given - stored).items():
        yield job_id, f"{event} came, and {count} of it is not stored"


def _check_ends(order: Sequence[Seen], tables: Tables) -> _Found:
    last = {event.job_id: (event.status, event.revision) for event in order}
    rows = {job.id: (job.status, job.revision) for job in tables.jobs}
    for job_id in last.keys() | rows.keys():
        if last.get(job_id) != rows.get(job_id):
            yield job_id, f"its last event tells {last.get(job_id)}, the job {rows.get(job_id)}"


def _check_same(order: Sequence[Seen], other: Sequence[Seen]) -> _Found:
    """Find the first place where two orders part."""
    for place, (event, other_event) in enumerate(zip_longest(order, other)):
        if event != other_event:
            yield (event or other_event).event_id, f"at {place} came {event}, and {other_event}"
            return
