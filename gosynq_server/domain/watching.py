"""What a caller asks of a watch or of a list of events, and what it gets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.domain.event import EventFilter
from gosynq_server.domain.lifecycle import EventType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from gosynq_server.domain.event import Match, Position
    from gosynq_server.domain.job import Job, JobId

USUAL_HEARTBEAT = timedelta(seconds=15)
USUAL_BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchQuery:
    """Which events, from where on, and how. At most one of cursor, start_at and from_oldest is set; none means now."""

    wanted: EventFilter = field(default_factory=EventFilter)
    cursor: str = ""
    start_at: datetime | None = None
    from_oldest: bool = False
    snapshot: bool = False
    with_content: bool = False
    heartbeat: timedelta = USUAL_HEARTBEAT
    batch: int = USUAL_BATCH
    stop_when_terminal: bool = False

    @property
    def wants_progress(self) -> bool:
        """Say whether progress is among what is wanted: only where it is asked for by its name."""
        return EventType.PROGRESS in self.wanted.types


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A part of a watch: everything wanted up to position was given with it. None: a snapshot is being given.

    contents holds jobs with their content by their ids, where it was asked for and they are still there.
    """

    position: Position | None
    matches: Sequence[Match] = ()
    contents: Mapping[JobId, Job] = field(default_factory=dict)
    snapshot: Sequence[Job] = ()
    snapshot_complete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Which stored events, from where on, how many."""

    wanted: EventFilter = field(default_factory=EventFilter)
    page_size: int = 100
    page_token: str = ""
    with_content: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """A page of events; end is where a watch goes on behind it. An empty token ends the list."""

    matches: Sequence[Match]
    contents: Mapping[JobId, Job]
    end: Position
    next_page_token: str
