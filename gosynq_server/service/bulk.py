"""Verbs on many jobs: those that are meant are gone through by their ids, and acted on some hundred at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from gosynq_server.domain.bulk import SAMPLE_SIZE, BulkSummary
from gosynq_server.domain.errors import DatabaseBusy
from gosynq_server.domain.filters import compiled
from gosynq_server.domain.job import JobId
from gosynq_server.domain.paging import bulk_digest, decode_token, encode_token
from gosynq_server.store import selections

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator, Sequence

    from gosynq_server.domain.bulk import BulkQuery, Selected
    from gosynq_server.domain.job import JobStatus, Stage
    from gosynq_server.store.database import Database
    from gosynq_server.store.selections import Look

_LOOK, _MOST_LOOKED_AT = 2000, 32_000
_CHUNK = 250
_TRIES = 20
_LOOKING_SECONDS = 5.0
"""How long a call goes on looking where it finds too little: callers have deadlines, and go on by the token."""


class BulkVerb(Protocol):
    """What is done with jobs, and with which."""

    @property
    def name(self) -> str:
        """Its name, which the tokens of its pages are bound to."""
        ...

    @property
    def among(self) -> Collection[JobStatus]:
        """The statuses that a filter looks at; jobs in others are not even skipped."""
        ...

    def takes(self, job: Selected) -> bool:
        """Judge whether a job is in a state for it."""
        ...

    async def prepare(self, jobs: Sequence[JobId]) -> None:
        """Hear of all jobs that it will be given, in order."""

    async def act(self, queue: str, stage: Stage, jobs: Sequence[JobId]) -> Collection[JobId]:
        """Do it in one statement; return those that were there still."""
        ...


@dataclass(slots=True, kw_only=True)
class _Selection:
    """The jobs of a call as they are found: those to act on, how many are left, behind which the next call goes on."""

    chosen: list[Selected] = field(default_factory=list)
    skipped: int = 0
    after: JobId | None = None
    is_last: bool = False

    def take(self, look: Look, verb: BulkVerb, limit: int) -> None:
        """Take in what a look found, up to the limit."""
        for place, job in enumerate(look.selected, 1):
            self.after = job.id
            if verb.takes(job):
                self.chosen.append(job)
            else:
                self.skipped += 1
            if len(self.chosen) == limit:
                self.is_last = look.is_last and place == len(look.selected)
                return
        self.after = look.last or self.after
        self.is_last = look.is_last


class Bulk:
    """Acts on many jobs, with what was done staying done: a call that fails in between is repeated with its token.

    A job that moves between being found and acted on is looked for again, as the single verbs do.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, verb: BulkVerb, query: BulkQuery) -> BulkSummary:
        """Do it, or only say what would be done; raises FilterInvalid and PageTokenInvalid."""
        digest = bulk_digest(verb.name, query)
        after = decode_token(query.page_token, digest) if query.page_token else None
        select = self._select_by_ids if query.job_ids else self._select_by_filter
        selection = await select(verb, query, after)
        done = [job.id for job in selection.chosen]
        if not query.validate_only:
            await verb.prepare(done)
            done = [job async for job in self._act(verb, selection.chosen)]
        goes_on_behind = None if selection.is_last else selection.after
        return BulkSummary(
            affected=len(done),
            skipped=selection.skipped + len(selection.chosen) - len(done),
            sample=tuple(done[:SAMPLE_SIZE]),
            next_page_token=encode_token(digest, goes_on_behind) if goes_on_behind is not None else "",
        )

    async def _select_by_ids(self, verb: BulkVerb, query: BulkQuery, after: JobId | None) -> _Selection:
        wanted = sorted(job for job in set(query.job_ids) if after is None or job > after)
        found = await selections.find(self._database, wanted)
        selection = _Selection(after=after)
        selection.take(selections.Look(selected=found, last=None, is_last=True), verb, query.limit)
        passed = wanted if selection.is_last else [job for job in wanted if job <= (selection.after or job)]
        # Those that there are not count as skipped.
        selection.skipped = len(passed) - len(selection.chosen)
        return selection

    async def _select_by_filter(self, verb: BulkVerb, query: BulkQuery, after: JobId | None) -> _Selection:
        predicate = compiled(query.filter)
        statuses = predicate.statuses.intersection(verb.among)
        selection, limit = _Selection(after=after), min(_LOOK, query.limit)
        clock = asyncio.get_running_loop().time
        end = clock() + _LOOKING_SECONDS
        while True:
            look = await selections.look(self._database, predicate, statuses, after=selection.after, limit=limit)
            selection.take(look, verb, query.limit)
            limit = min(limit * 4, _MOST_LOOKED_AT)
            if selection.is_last or len(selection.chosen) == query.limit or clock() > end:
                return selection

    async def _act(self, verb: BulkVerb, chosen: Sequence[Selected]) -> AsyncIterator[JobId]:
        clock = asyncio.get_running_loop().time
        took = 0.0
        for start in range(0, len(chosen), _CHUNK):
            # Half of the time is for those who fetch and enqueue.
            await asyncio.sleep(took)
            began = clock()
            done = await self._act_on_chunk(verb, chosen[start : start + _CHUNK])
            took = clock() - began
            for job in chosen[start : start + _CHUNK]:
                if job.id in done:
                    yield job.id

    async def _act_on_chunk(self, verb: BulkVerb, chunk: Sequence[Selected]) -> set[JobId]:
        done, left = set[JobId](), list(chunk)
        for _ in range(_TRIES):
            for queue, stage, jobs in _groups(left):
                done.update(await verb.act(queue, stage, jobs))
            missed = [job.id for job in left if job.id not in done]
            left = [job for job in await selections.find(self._database, missed) if verb.takes(job)] if missed else []
            if not left:
                return done
        raise DatabaseBusy


def _groups(jobs: Sequence[Selected]) -> Iterator[tuple[str, Stage, list[JobId]]]:
    """Give jobs of one queue and stage together, in the order of their ids."""
    ordered = sorted(jobs, key=_by_place)
    for (queue, stage), group in groupby(ordered, key=_place):
        yield queue, stage, [job.id for job in group]


def _place(job: Selected) -> tuple[str, Stage]:
    return job.queue, job.stage


def _by_place(job: Selected) -> tuple[str, Stage, JobId]:
    return job.queue, job.stage, job.id
