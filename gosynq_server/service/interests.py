"""Who is to be woken by which events, so that a watch costs nothing while nothing happens that it wants."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from gosynq_server.service.wakeups import Signal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gosynq_server.domain.event import EventFilter, EventRow, Position
    from gosynq_server.domain.job import JobId


Key = TypeVar("Key")


class Interest:
    """What one watch wants: there may be some of it up to until, and none has come by behind that.

    is_lost: what came by has a gap, so that it has to be looked at anew whether the watch can go on.
    """

    def __init__(self, until: Position) -> None:
        self.until = until
        self.is_lost = False
        self._woken = Signal()

    def wake(self) -> None:
        """End the wait, or the next one."""
        self._woken.set()

    async def wait(self, seconds: float) -> None:
        """Wait to be woken, at most so long."""
        await self._woken.wait(seconds)


class Interests:
    """Finds whom events concern: those who want events of certain jobs by these, the others filter by filter."""

    def __init__(self) -> None:
        self._by_job: defaultdict[JobId, set[Interest]] = defaultdict(set)
        self._by_filter: defaultdict[EventFilter, set[Interest]] = defaultdict(set)

    @contextmanager
    def register(self, wanted: EventFilter, *, end: Position) -> Iterator[Interest]:
        """Wake whoever wants these events inside the block; end is behind what has come by."""
        interest = Interest(end)
        for job in wanted.job_ids:
            self._by_job[job].add(interest)
        if not wanted.job_ids:
            self._by_filter[wanted].add(interest)
        try:
            yield interest
        finally:
            for job in wanted.job_ids:
                _discard(self._by_job, job, interest)
            _discard(self._by_filter, wanted, interest)

    def wake(self, rows: Sequence[EventRow], *, end: Position) -> None:
        """Wake those who may want something of rows that have come by; end is behind these."""
        for interest in self._concerned(rows):
            interest.until = max(interest.until, end)
            interest.wake()

    def lose(self) -> None:
        """Wake everybody: what came by has a gap."""
        for interests in (*self._by_job.values(), *self._by_filter.values()):
            for interest in interests:
                interest.is_lost = True
                interest.wake()

    def _concerned(self, rows: Sequence[EventRow]) -> Iterator[Interest]:
        for wanted, interests in self._by_filter.items():
            if any(wanted.places(row) for row in rows):
                yield from interests
        if self._by_job:
            for row in rows:
                for job in self._by_job.keys() & row.job_ids:
                    yield from self._by_job[job]


def _discard(interests: defaultdict[Key, set[Interest]], key: Key, interest: Interest) -> None:
    interests[key].discard(interest)
    if not interests[key]:
        del interests[key]
