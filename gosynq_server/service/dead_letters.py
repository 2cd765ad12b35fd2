"""Dead letters: the failed jobs, listed, put back to work, and deleted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gosynq_server.domain.errors import QueueDeleting, QueueDraining
from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.listing import JobPage
from gosynq_server.domain.paging import dead_letters_digest, decode_moment_token, encode_moment_token
from gosynq_server.domain.queue import QueueState
from gosynq_server.service.bulk import Bulk
from gosynq_server.service.bulk_verbs import Purge, Redrive
from gosynq_server.store import dead_letters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from gosynq_server.domain.bulk import BulkQuery, BulkSummary
    from gosynq_server.domain.listing import DeadLetterQuery
    from gosynq_server.service.jobs import Jobs
    from gosynq_server.service.queues import Queues
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database
    from gosynq_server.store.dead_letters import DeadLetter

_LOOK, _MOST_LOOKED_AT = 2000, 32_000
_LOOKING_SECONDS = 2.0
"""How long a page is looked for where hardly any dead letter fits; then it is short."""


class DeadLetters:
    """Reads the dead letters and acts on many of them."""

    def __init__(self, database: Database, queues: Queues, jobs: Jobs, wakeups: Wakeups) -> None:
        self._database = database
        self._queues = queues
        self._jobs = jobs
        self._wakeups = wakeups
        self._bulk = Bulk(database)

    async def list(self, query: DeadLetterQuery) -> JobPage:
        """Return a page, which may be short before the end; raises PageTokenInvalid."""
        digest = dead_letters_digest(query)
        after = decode_moment_token(query.page_token, digest) if query.page_token else None
        letters, goes_on_behind = await self._look(query, after)
        found = await self._jobs.find([letter.id for letter in letters], with_content=query.with_content)
        return JobPage(
            # One that was put back to work in between is none any more.
            jobs=tuple(
                found[letter.id]
                for letter in letters
                if letter.id in found and found[letter.id].status is JobStatus.FAILED
            ),
            next_page_token=encode_moment_token(digest, *goes_on_behind) if goes_on_behind is not None else "",
        )

    async def redrive(
        self, query: BulkQuery, *, target_queue: str, run_at: datetime | None, spread: timedelta
    ) -> BulkSummary:
        """Make dead letters pending, in their own queues or in another; raises QueueDraining and QueueDeleting."""
        if target_queue:
            await self._check(target_queue, make=not query.validate_only)
        verb = Redrive(self._database, self._wakeups, target=target_queue, run_at=run_at, spread=spread)
        return await self._bulk.run(verb, query)

    async def purge(self, query: BulkQuery) -> BulkSummary:
        """Delete dead letters."""
        return await self._bulk.run(Purge(self._database), query)

    async def _check(self, target: str, *, make: bool) -> None:
        queue = await (self._queues.get_or_make if make else self._queues.get)(target)
        if queue.state is QueueState.DELETING:
            raise QueueDeleting(queue=target)
        if queue.state is QueueState.DRAINING:
            raise QueueDraining(queue=target)

    async def _look(
        self, query: DeadLetterQuery, after: dead_letters.Place | None
    ) -> tuple[Sequence[DeadLetter], dead_letters.Place | None]:
        """Return the letters of a page, and behind which the next one goes on, None being that this is the last."""
        letters: Sequence[DeadLetter] = ()
        clock = asyncio.get_running_loop().time
        end = clock() + _LOOKING_SECONDS
        limit = max(_LOOK, query.page_size + 1)
        while True:
            look = await dead_letters.look(self._database, query, after=after, limit=limit)
            limit = min(limit * 4, _MOST_LOOKED_AT)
            letters = (*letters, *look.letters)
            after = look.last
            if len(letters) > query.page_size:
                page = letters[: query.page_size]
                return page, page[-1].place
            if look.is_last or clock() > end:
                return letters, None if look.is_last else after
