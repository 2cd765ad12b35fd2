"""Which events a caller wants, from where on, and how patiently."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias, TypedDict

from gosynq_client.errors import GosynqError
from gosynq_client.events import EventType
from gosynq_client.jobs import Priority
from gosynq_client.listing import Names

ConnectionObserver: TypeAlias = Callable[[GosynqError | None], None]


class EventFilters(TypedDict, total=False):
    """Conditions on events, joined by AND; the values of one by OR, labels aside, all of which a job must have.

    Nothing said: every event. `include_payload` fills in payloads, and gives the jobs of a snapshot with everything
    in them.
    """

    queues: Names
    kinds: Names
    types: list[EventType] | tuple[EventType, ...] | frozenset[EventType]
    job_ids: Names
    labels: Mapping[str, str]
    priorities: list[Priority] | tuple[Priority, ...] | frozenset[Priority]
    include_payload: bool


class EventListOptions(EventFilters, total=False):
    """Which stored events are listed: those from `start_at` on and before `end_at` (aware), if they are said.

    `page_size` is how many one call asks for: 100 unless said, 1000 at most.
    """

    start_at: datetime | None
    end_at: datetime | None
    page_size: int


class WatchOptions(EventFilters, total=False):
    """Which events are watched. Without `types` that is all but PROGRESS.

    Where to begin, one of: right after `cursor`; with the events of the moment `start_at` (aware) or later; with the
    oldest that is stored, `from_oldest`. Nothing said: with what happens from now on.

    `stop_when_terminal` ends the watch once each of `job_ids` was completed, failed, cancelled or gone, and all that
    led there has been given.

    A watch that was interrupted goes on for ever by itself, unless `give_up_after` is how long no server may answer.
    `on_connection` is called with the error whenever it is interrupted or can't go on yet, and with None whenever a
    server answers; what it raises ends the watch.

    `heartbeat_interval` is the longest silence of a server (15 s unless said, from 1 s to 5 min); three of them without
    a word, and the connection is made anew. `max_batch_size` is how many events come in one response: 100 unless said,
    1000 at most.
    """

    cursor: str | None
    start_at: datetime | None
    from_oldest: bool
    stop_when_terminal: bool
    give_up_after: timedelta | None
    on_connection: ConnectionObserver | None
    heartbeat_interval: timedelta
    max_batch_size: int
