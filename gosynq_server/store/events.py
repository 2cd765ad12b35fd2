"""Events in the database: the ticks that give them their order, and rows read by them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg

from gosynq_server.domain.errors import CursorExpired, CursorInvalid
from gosynq_server.domain.event import EventRow, Position
from gosynq_server.domain.job import JobId, JobStatus
from gosynq_server.domain.lifecycle import EventType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from asyncpg import Record

    from gosynq_server.domain.event import EventFilter
    from gosynq_server.store.database import Executor

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MOST_TICKS = 256
"""Bounds how much one reading goes through where hardly anything is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """The start of what the last tick does not see; is_young: it was too young to look for events behind it."""

    end: Position
    is_young: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Rows that follow each other, and where reading goes on behind them."""

    rows: Sequence[EventRow]
    end: Position


async def make_tick(executor: Executor, *, min_age: timedelta) -> Ticked:
    """Make a tick where there are events for one; with a min_age of zero it sees all that was committed before."""
    (row,) = await executor.fetch("ticks_make", min_age)
    return Ticked(end=_behind(row), is_young=row["is_young"])


async def oldest(executor: Executor) -> Position:
    """Return where the oldest events that are kept begin."""
    (row,) = await executor.fetch("ticks_oldest")
    return _behind(row)


async def begin_of(executor: Executor, moment: datetime) -> Position:
    """Return a position before all events of a moment or later, as near as there is one."""
    (row,) = await executor.fetch("ticks_before", moment)
    return _behind(row)


async def known(executor: Executor, position: Position) -> bool | None:
    """Say whether the tick of a position is one of this history; None where it is older than what is kept."""
    ticks = [_behind(row) for row in await executor.fetch("ticks_after", position.tick, 1)]
    return _knows(ticks, position)


async def read(executor: Executor, position: Position, wanted: EventFilter, *, limit: int) -> Stretch:
    """Read up to limit rows from a position on, as far as ticks reach.

    Rows may be left out that hold nothing wanted; others may still hold events that are not wanted. Raises
    CursorExpired where the position's tick is gone, CursorInvalid where it is none of this database's history.
    """
    ticks = [_behind(row) for row in await executor.fetch("ticks_after", position.tick, _MOST_TICKS)]
    is_known = _knows(ticks, position)
    if not is_known:
        raise CursorExpired if is_known is None else CursorInvalid
    if len(ticks) == 1:
        return Stretch(rows=(), end=position)
    rows = await _read_rows(executor, position, ticks[-1].tick, wanted, limit)
    bases = {base.tick + 1: base for base in ticks}
    read_rows = [_event_row(row, bases[row["tick"]]) for row in rows]
    return Stretch(rows=read_rows, end=read_rows[-1].end if len(rows) == limit else ticks[-1])


async def progress(executor: Executor, *, within: timedelta, limit: int) -> list[EventRow]:
    """Read the last progress of running jobs that was reported lately, each as a row of one event, the oldest first.

    Their ids are the moments of the reports, in microseconds since the Unix epoch.
    """
    rows = await executor.fetch("jobs_progressed", within, limit)
    return [_progress_row(row) for row in reversed(rows)]


async def prune_ticks(executor: Executor, *, before: date, late: timedelta, limit: int) -> int:
    """Delete up to limit ticks that lead to events of days before one only; return how many. The last of all stays.

    late is how long after it happened an event may be committed, and get its tick, at most.
    """
    return len(await executor.fetch("ticks_prune", before, late, limit))


async def _read_rows(
    executor: Executor, position: Position, until: int, wanted: EventFilter, limit: int
) -> Sequence[Record]:
    try:
        return await executor.fetch(
            "events_read",
            position.tick,
            until,
            position.row,
            limit,
            list(wanted.queues) or None,
            list(wanted.types) or None,
            list(wanted.job_ids) or None,
        )
    except asyncpg.NoDataFoundError as error:
        raise CursorExpired from error


def _behind(row: Record) -> Position:
    return Position(tick=row["id"], made_at=(row["made_at"] - _EPOCH) // _MICROSECOND)


def _knows(ticks: Sequence[Position], position: Position) -> bool | None:
    """Say whether ticks that were read from a position's on begin with it; None where they begin later."""
    if ticks and ticks[0].tick > position.tick:
        return None
    return bool(ticks) and ticks[0] == Position(tick=position.tick, made_at=position.made_at)


def _progress_row(row: Record) -> EventRow:
    micros = (row["updated_at"] - _EPOCH) // _MICROSECOND
    return EventRow(
        base=Position(tick=0),
        id=micros,
        occurred_at=row["updated_at"],
        type=EventType.PROGRESS,
        queue=row["queue"],
        status=JobStatus.PROCESSING,
        worker_id=row["worker_id"],
        job_ids=[JobId(str(row["id"]))],
        kinds=[row["kind"]],
        priorities=[row["priority"]],
        attempts=[row["attempt"]],
        revisions=[row["revision"]],
        labels=[row["labels"]],
        details=[row["progress"]],
    )


def _event_row(row: Record, base: Position) -> EventRow:
    return EventRow(
        base=base,
        id=row["id"],
        occurred_at=row["occurred_at"],
        type=EventType(row["type"]),
        queue=row["queue"],
        status=JobStatus(row["status"]),
        worker_id=row["worker_id"],
        job_ids=row["job_ids"],
        kinds=row["kinds"],
        priorities=row["priorities"],
        attempts=row["attempts"],
        revisions=row["revisions"],
        labels=row["labels"],
        details=row["details"],
    )
