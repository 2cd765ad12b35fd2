"""Listing stored events, page by page, in the order in which watches give them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from gosynq_server.domain.errors import PageTokenInvalid
from gosynq_server.domain.event import Match
from gosynq_server.domain.paging import decode_position_token, encode_position_token, events_digest
from gosynq_server.domain.watching import EventPage
from gosynq_server.service.watches import MOST_WITH_CONTENT, contents_of, deliveries

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gosynq_server.domain.event import EventFilter, EventRow, Position
    from gosynq_server.domain.job import Job, JobId
    from gosynq_server.domain.watching import EventQuery
    from gosynq_server.service.event_log import EventLog
    from gosynq_server.service.event_tail import EventTail
    from gosynq_server.service.jobs import Jobs

_PAGE_SECONDS = 1.0
"""How long a page is filled where hardly anything is wanted; the next goes on."""

_LATE = timedelta(minutes=5)
"""How long after it happened an event may be committed, at most, to be found by a list that has an end."""

_PAGE_BYTES = 2 * 1024 * 1024
_EVENT_BYTES = 256
_AROUND_BYTES = 10
_SIGNS = (b",", b"[", b"{")
_CLOCKS = timedelta(hours=1)
_TIME_ORDERED = 7
_LAST_MILLISECOND = 253_402_300_799_000


class EventPages:
    """Lists events."""

    def __init__(self, log: EventLog, tail: EventTail, jobs: Jobs) -> None:
        self._log = log
        self._tail = tail
        self._jobs = jobs

    async def read(self, query: EventQuery) -> EventPage:
        """Return a page; raises PageTokenInvalid, and CursorExpired where the page's events are gone by now."""
        digest = events_digest(query)
        now = await self._tail.now()
        begin = decode_position_token(query.page_token, digest) if query.page_token else await self._begin(query.wanted)
        if begin > now:
            raise PageTokenInvalid
        last = await self._last(query.wanted, now)
        matches, end = await self._fill(begin, last, query)
        contents = await contents_of(self._jobs, matches) if query.with_content else {}
        matches, end = _fitting(matches, contents, end)
        return EventPage(
            matches=matches,
            contents=contents,
            end=end,
            next_page_token=encode_position_token(digest, end) if end < last else "",
        )

    async def _begin(self, wanted: EventFilter) -> Position:
        moments = [moment for moment in (wanted.not_before, _earliest(wanted.job_ids)) if moment is not None]
        return await self._log.begin_of(max(moments)) if moments else await self._log.oldest()

    async def _last(self, wanted: EventFilter, now: Position) -> Position:
        """Return the position that nothing wanted is behind."""
        if wanted.before is None or wanted.before > datetime.now(UTC) - _LATE:
            return now
        return min(now, await self._log.begin_of(wanted.before + _LATE))

    async def _fill(self, position: Position, last: Position, query: EventQuery) -> tuple[list[Match], Position]:
        matches: list[Match] = []
        room = min(query.page_size, MOST_WITH_CONTENT) if query.with_content else query.page_size
        give_up = time.monotonic() + _PAGE_SECONDS
        while room and position < last and time.monotonic() < give_up:
            stretch = await self._log.read(position, query.wanted)
            part = next(deliveries(stretch, position, query.wanted, batch=room), None)
            if part is None or part.position is None:
                position = stretch.end
            else:
                matches += part.matches
                room -= sum(len(match.places) for match in part.matches)
                position = part.position
        return matches, position


def _fitting(matches: list[Match], contents: Mapping[JobId, Job], end: Position) -> tuple[list[Match], Position]:
    """Return as many events from the first on as a page has room for, one at least, and where reading goes on."""
    room = _PAGE_BYTES
    fitting: list[Match] = []
    for row, places in matches:
        for count, place in enumerate(places):
            room -= _size(row, place, contents)
            if room < 0 and (fitting or count):
                kept = [Match(row, places[:count])] if count else []
                return fitting + kept, row.base.at(row.id, place)
        fitting.append(Match(row, places))
    return fitting, end


def _size(row: EventRow, place: int, contents: Mapping[JobId, Job]) -> int:
    """Return about how many bytes an event takes."""
    texts = [column[place] or "" for column in (row.labels, row.details) if column]
    job = contents.get(row.job_ids[place])
    content = () if job is None else (job.payload or b"", job.result or b"")
    return _EVENT_BYTES + sum(len(text.encode()) for text in texts) + sum(map(_struct_size, content))


def _struct_size(content: bytes) -> int:
    """Return how many bytes JSON takes as a Struct, at most: what each value has around it is more than a comma."""
    return len(content) + _AROUND_BYTES * sum(map(content.count, _SIGNS))


def _earliest(job_ids: Collection[str]) -> datetime | None:
    """Return a moment before all events of some jobs, by the time in their ids and the clocks that may disagree."""
    ids = [UUID(job) for job in job_ids]
    if not ids or any(job.version != _TIME_ORDERED for job in ids):
        return None
    milliseconds = min(_LAST_MILLISECOND, *(job.int >> 80 for job in ids))
    return datetime.fromtimestamp(milliseconds / 1000, UTC) - _CLOCKS
