"""Watching events: everything that a caller wants, in order, from where it asks on."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gosynq_server.domain.event import EventFilter, Match
from gosynq_server.domain.lifecycle import TERMINAL
from gosynq_server.domain.watching import Delivery

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from gosynq_server.domain.event import EventRow, Position
    from gosynq_server.domain.job import Job, JobId
    from gosynq_server.domain.watching import WatchQuery
    from gosynq_server.service.event_log import EventLog
    from gosynq_server.service.event_tail import EventTail
    from gosynq_server.service.interests import Interest
    from gosynq_server.service.jobs import Jobs
    from gosynq_server.service.progress_feed import ProgressFeed, ProgressReader
    from gosynq_server.store.events import Stretch

MOST_WITH_CONTENT = 100
"""Bounds what is read and held at once for one caller: each job may have megabytes."""


class Watches:
    """Gives watchers what they ask for, each at its own pace."""

    def __init__(self, log: EventLog, tail: EventTail, progress: ProgressFeed, jobs: Jobs) -> None:
        self._log = log
        self._tail = tail
        self._progress = progress
        self._jobs = jobs
        self._open: set[_Watch] = set()

    @property
    def count(self) -> int:
        """How many watches are open."""
        return len(self._open)

    def furthest_behind(self) -> timedelta:
        """Return how long ago it is that the watch which is furthest behind was up to date."""
        slowest = min((watch.position for watch in self._open if watch.is_behind), default=None)
        return timedelta() if slowest is None else datetime.now(UTC) - slowest.moment

    async def watch(self, query: WatchQuery) -> AsyncGenerator[Delivery]:
        """Give deliveries, the first at once, an empty one whenever it was quiet for the heartbeat.

        Ends where query.stop_when_terminal says so. Raises CursorInvalid and CursorExpired.
        """
        async with self._tail.followed():
            position = await self._begin(query)
            with self._tail.interest(query.wanted) as interest:
                watch = _Watch(query, position, interest)
                self._open.add(watch)
                try:
                    async for delivery in self._deliveries(watch):
                        yield delivery
                finally:
                    self._open.remove(watch)

    async def _deliveries(self, watch: _Watch) -> AsyncIterator[Delivery]:
        query, endings = watch.query, await self._endings(watch)
        if query.snapshot:
            yield Delivery(position=None)
            async for jobs in self._jobs.unfinished(query.wanted, with_content=query.with_content):
                yield Delivery(position=None, snapshot=jobs)
        yield Delivery(position=watch.position, snapshot_complete=query.snapshot)
        wake = watch.interest.wake
        with self._progress.followed(wake) if query.wants_progress else nullcontext() as progress:
            async for delivery in self._follow(watch, endings, progress):
                yield delivery

    async def _begin(self, query: WatchQuery) -> Position:
        if query.cursor:
            return await self._log.position_of(query.cursor)
        if query.start_at is not None:
            return await self._log.begin_of(query.start_at)
        return await (self._log.oldest() if query.from_oldest else self._tail.now())

    async def _endings(self, watch: _Watch) -> Endings | None:
        if not watch.query.stop_when_terminal:
            return None
        found = await self._jobs.find(watch.query.wanted.job_ids, with_content=False)
        looked_at = await self._tail.now()
        watch.interest.until = max(watch.interest.until, looked_at)
        return Endings(found.values(), looked_at=looked_at)

    async def _follow(
        self, watch: _Watch, endings: Endings | None, progress: ProgressReader | None
    ) -> AsyncIterator[Delivery]:
        query, pace = watch.query, _Pace(watch.query.heartbeat)
        while endings is None or not endings.are_over(watch.position):
            await self._find_again(watch)
            if watch.is_behind:
                stretch = await self._log.read(watch.position, watch.to_read)
                for delivery in deliveries(stretch, watch.position, query.wanted, batch=watch.batch):
                    yield await self._filled(delivery, query)
                    pace.sent()
                if endings is not None:
                    endings.note(stretch.rows)
                if stretch.end == watch.position:
                    await self._tail.wait(watch.position, pace.left())
                watch.position = stretch.end
            else:
                watch.pass_by(self._tail.end)
                for delivery in () if progress is None else _reports(progress.take(watch.position), watch):
                    yield delivery
                await watch.interest.wait(pace.left())
            if not pace.left():
                watch.pass_by(self._tail.end)
                yield Delivery(position=watch.position)
                pace.sent()

    async def _find_again(self, watch: _Watch) -> None:
        """Where what came by has a gap, go on by the table from where the watch stands, if that is possible."""
        if watch.interest.is_lost:
            await self._log.check(watch.position)
            watch.interest.is_lost, watch.interest.until = False, self._tail.end

    async def _filled(self, delivery: Delivery, query: WatchQuery) -> Delivery:
        if not query.with_content:
            return delivery
        contents = await contents_of(self._jobs, delivery.matches)
        return Delivery(position=delivery.position, matches=delivery.matches, contents=contents)


class _Watch:
    """What one watch asks for, and where it stands."""

    def __init__(self, query: WatchQuery, position: Position, interest: Interest) -> None:
        self.query = query
        # What ends the jobs must come by, wanted or not.
        self.to_read = EventFilter(job_ids=query.wanted.job_ids) if query.stop_when_terminal else query.wanted
        self.batch = min(query.batch, MOST_WITH_CONTENT) if query.with_content else query.batch
        self.position = position
        self.interest = interest

    @property
    def is_behind(self) -> bool:
        """Whether there may be something wanted where it goes on."""
        return self.position < self.interest.until

    def pass_by(self, end: Position) -> None:
        """Go on behind what has come by, where nothing of it is wanted."""
        if not self.is_behind and not self.interest.is_lost:
            self.position = max(self.position, end)


class Endings:
    """Which of some jobs have not ended since they were looked at; looked_at is behind all their events till then."""

    def __init__(self, found: Iterable[Job], *, looked_at: Position) -> None:
        self._revisions = {job.id: job.revision for job in found if job.status not in TERMINAL}
        self._looked_at = looked_at

    def note(self, rows: Sequence[EventRow]) -> None:
        """Take in what happened; a revision that was there at the look tells nothing new."""
        for row in rows:
            if row.ends_jobs:
                for job, revision in zip(row.job_ids, row.revisions, strict=True):
                    if revision > self._revisions.get(job, revision):
                        del self._revisions[job]

    def are_over(self, position: Position) -> bool:
        """Say whether each of them has ended, and everything about it is before a position."""
        return not self._revisions and position >= self._looked_at


class _Pace:
    """How long it may still be quiet."""

    def __init__(self, heartbeat: timedelta) -> None:
        self._heartbeat = heartbeat.total_seconds()
        self._loop = asyncio.get_running_loop()
        self._sent_at = self._loop.time()

    def sent(self) -> None:
        self._sent_at = self._loop.time()

    def left(self) -> float:
        """Return seconds, 0 when it has been quiet for long enough."""
        return max(0.0, self._sent_at + self._heartbeat - self._loop.time())


def deliveries(stretch: Stretch, begin: Position, wanted: EventFilter, *, batch: int) -> Iterator[Delivery]:
    """Cut what is wanted of a stretch that was read from begin on into deliveries of at most so many events."""
    matches: list[Match] = []
    room = batch
    for match in _wanted_of(stretch, begin, wanted):
        places = match.places
        while len(places) >= room:
            matches.append(Match(match.row, places[:room]))
            yield Delivery(position=match.row.behind(places[room - 1]), matches=matches)
            places, matches, room = places[room:], [], batch
        if places:
            matches.append(Match(match.row, places))
            room -= len(places)
    if matches:
        yield Delivery(position=stretch.end, matches=matches)


def _wanted_of(stretch: Stretch, begin: Position, wanted: EventFilter) -> Iterator[Match]:
    for row in stretch.rows:
        places = wanted.places(row)
        if row.id == begin.row and row.base.tick == begin.tick and begin.place:
            places = [place for place in places if place >= begin.place]
        if places:
            yield Match(row, places)


def _reports(rows: Sequence[EventRow], watch: _Watch) -> Iterator[Delivery]:
    query = watch.query
    matches = [Match(row, places) for row in rows if (places := query.wanted.places(row))]
    for start in range(0, len(matches), query.batch):
        yield Delivery(position=watch.position, matches=matches[start : start + query.batch])


async def contents_of(jobs: Jobs, matches: Sequence[Match]) -> Mapping[JobId, Job]:
    """Read the jobs of events with their content; one that is gone is left out."""
    ids = {row.job_ids[place] for row, places in matches for place in places}
    return await jobs.find(ids, with_content=True)
