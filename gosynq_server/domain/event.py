"""Events as they are stored, in packed rows; where a reader stands among them; and which of them it wants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import orjson

from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lifecycle import TERMINAL, EventType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gosynq_server.domain.job import Job, JobId, Priority


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Position(NamedTuple):
    """Where reading goes on: behind a whole tick, and in the next one at a place of a row; rows count by their ids.

    made_at is when the tick was made, in microseconds since the Unix epoch: with its number it tells the tick from one
    of another history.
    """

    tick: int
    row: int = 0
    place: int = 0
    made_at: int = 0

    @property
    def moment(self) -> datetime:
        """When the tick was made."""
        return _EPOCH + timedelta(microseconds=self.made_at)

    def at(self, row: int, place: int) -> Position:
        """Return the position at a place of a row of the next tick."""
        return Position(self.tick, row, place, self.made_at)


# By identity: what is made of a row is remembered with it.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class EventRow:
    """Events of one type, queue and moment: element i of each list belongs to job i. base is the start of its tick.

    labels and details are JSON objects, or None, each; lists that are None hold nothing else.
    """

    base: Position
    id: int
    occurred_at: datetime
    type: EventType
    queue: str
    status: JobStatus
    worker_id: str | None
    job_ids: Sequence[JobId]
    kinds: Sequence[str]
    priorities: Sequence[int]
    attempts: Sequence[int]
    revisions: Sequence[int]
    labels: Sequence[str | None] | None
    details: Sequence[str | None] | None

    @property
    def ends_jobs(self) -> bool:
        """Say whether the jobs are terminal, or gone, after it."""
        return self.status in TERMINAL or self.type is EventType.DELETED

    @property
    def end(self) -> Position:
        """Where reading goes on behind it."""
        return self.base.at(self.id + 1, 0)

    def behind(self, place: int) -> Position:
        """Return where reading goes on behind one of its events."""
        return self.base.at(self.id, place + 1)


class Match(NamedTuple):
    """Some of a row's events."""

    row: EventRow
    places: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are wanted; what is empty sets no condition. labels are (key, value); moments are of the events."""

    queues: frozenset[str] = frozenset()
    types: frozenset[EventType] = frozenset()
    job_ids: frozenset[JobId] = frozenset()
    kinds: frozenset[str] = frozenset()
    priorities: frozenset[Priority] = frozenset()
    labels: frozenset[tuple[str, str]] = frozenset()
    not_before: datetime | None = None
    before: datetime | None = None

    def places(self, row: EventRow) -> Sequence[int]:
        """Return the places of the events in a row that are wanted, rising."""
        if not self._admits(row):
            return ()
        places: Iterable[int] = range(len(row.job_ids))
        if self.job_ids:
            places = [place for place in places if row.job_ids[place] in self.job_ids]
        if self.kinds:
            places = [place for place in places if row.kinds[place] in self.kinds]
        if self.priorities:
            places = [place for place in places if row.priorities[place] in self.priorities]
        if self.labels:
            places = [place for place in places if row.labels and self._holds(row.labels[place])]
        return places if isinstance(places, range) else list(places)

    def wants(self, job: Job) -> bool:
        """Say whether events of a job are wanted, whatever they are."""
        return (
            (not self.queues or job.queue in self.queues)
            and (not self.job_ids or job.id in self.job_ids)
            and (not self.kinds or job.kind in self.kinds)
            and (not self.priorities or job.priority in self.priorities)
            and self.labels <= job.labels.items()
        )

    def _admits(self, row: EventRow) -> bool:
        return (
            (not self.queues or row.queue in self.queues)
            and (not self.types or row.type in self.types)
            and (self.not_before is None or row.occurred_at >= self.not_before)
            and (self.before is None or row.occurred_at < self.before)
        )

    def _holds(self, labels: str | None) -> bool:
        return labels is not None and self.labels <= orjson.loads(labels).items()
