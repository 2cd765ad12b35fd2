"""Looking after jobs: read, listed, waited for, and moved by a caller's verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from gosynq_server.domain.errors import DatabaseBusy, JobNotFound, JobProcessing, JobTerminal
from gosynq_server.domain.explanation import explain
from gosynq_server.domain.filters import compiled
from gosynq_server.domain.ids import parse_job_id
from gosynq_server.domain.job import Job, JobId, JobStatus, Stage
from gosynq_server.domain.lifecycle import TERMINAL
from gosynq_server.domain.listing import AttemptPage, JobPage, JobQuery
from gosynq_server.domain.paging import (
    attempts_digest,
    decode_sequence_token,
    decode_token,
    encode_sequence_token,
    encode_token,
    query_digest,
)
from gosynq_server.service.waits import wait_until
from gosynq_server.store import explanations, jobs
from gosynq_server.store.jobs import Conditions, Kept, Location, Start
from gosynq_server.store.records import Row, attempt_of, job_of, storable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
    from datetime import datetime, timedelta

    from gosynq_server.domain.event import EventFilter
    from gosynq_server.domain.explanation import Hold
    from gosynq_server.service.queues import Queues
    from gosynq_server.service.waits import Waits
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database

_TRIES = 20
_SNAPSHOT_GROUP = 100


class Jobs:
    """Reads jobs and acts on them one by one.

    A verb asks where the job is, as of one moment, and acts on that stage; where the job has moved on in between
    nothing is touched, and it asks again.
    """

    def __init__(
        self, database: Database, queues: Queues, wakeups: Wakeups, waits: Waits, *, window: timedelta
    ) -> None:
        self._database = database
        self._queues = queues
        self._wakeups = wakeups
        self._waits = waits
        self._window = window

    async def get(self, job_id: str, *, with_content: bool) -> Job:
        """Return a job, with payload, headers and result where asked; raises JobNotFound."""
        job = parse_job_id(job_id)
        rows = await jobs.get(self._database, [job], whole=with_content)
        if not rows:
            raise JobNotFound(job_id=job)
        return (await self._read(rows))[0]

    async def find(self, ids: Collection[JobId], *, with_content: bool) -> dict[JobId, Job]:
        """Return those of some jobs that are there, by their ids."""
        rows = await jobs.get(self._database, list(ids), whole=with_content) if ids else ()
        return {job.id: job for job in await self._read(rows)}

    async def unfinished(self, wanted: EventFilter, *, with_content: bool) -> AsyncIterator[list[Job]]:
        """Give the jobs that are not terminal and whose events are wanted, in groups."""
        ids: Sequence[JobId] = sorted(wanted.job_ids)
        while True:
            if not wanted.job_ids:
                ids = await jobs.unfinished(
                    self._database, wanted, after=ids[-1] if ids else None, limit=_SNAPSHOT_GROUP
                )
            found = await self.find(ids, with_content=with_content)
            group = [job for job in found.values() if job.status not in TERMINAL and wanted.wants(job)]
            if group:
                yield group
            if wanted.job_ids or len(ids) < _SNAPSHOT_GROUP:
                return

    async def list(self, query: JobQuery) -> JobPage:
        """Return a page of jobs; raises FilterInvalid and PageTokenInvalid."""
        digest = query_digest(query)
        rows = await jobs.list_page(
            self._database,
            _conditions(query),
            newest_first=query.newest_first,
            after=decode_token(query.page_token, digest) if query.page_token else None,
            limit=query.page_size + 1,
        )
        page = rows[: query.page_size]
        token = encode_token(digest, jobs.job_id(page[-1])) if len(rows) > query.page_size else ""
        if query.with_content:
            page = await self._whole(page)
        return JobPage(jobs=await self._read(page), next_page_token=token)

    async def attempts(self, job_id: str, *, page_size: int, page_token: str) -> AttemptPage:
        """Return a page of a job's attempts, newest first; raises JobNotFound and PageTokenInvalid."""
        job = parse_job_id(job_id)
        digest = attempts_digest(job)
        after = decode_sequence_token(page_token, digest) if page_token else None
        rows = await jobs.list_attempts(self._database, job, after=after, limit=page_size + 1)
        if not rows and await jobs.locate(self._database, job) is None:
            raise JobNotFound(job_id=job)
        attempts = tuple(attempt_of(row) for row in rows[:page_size])
        token = encode_sequence_token(digest, attempts[-1].lease_seq) if len(rows) > page_size else ""
        return AttemptPage(attempts=attempts, next_page_token=token)

    async def wait(self, job_id: str, timeout: timedelta) -> Job:  # noqa: ASYNC109 - no error when it is over
        """Return a job once it is terminal, or as it is when time is up or the server drains; raises JobNotFound."""
        async with self._waits.waiting_for(parse_job_id(job_id)) as ended:
            job = await self.get(job_id, with_content=True)
            if job.status in TERMINAL:
                return job
            await wait_until(ended, timeout)
        return await self.get(job_id, with_content=True)

    async def explain(self, job_id: str) -> tuple[JobStatus, Sequence[Hold]]:
        """Return a job's status and everything that holds it; raises JobNotFound."""
        job = parse_job_id(job_id)
        situation = await explanations.situation(self._database, job)
        if situation is None:
            raise JobNotFound(job_id=job)
        return situation.status, explain(situation)

    async def cancel(self, job_id: str, *, reason: str, force: bool) -> Job:
        """Cancel a job, or ask its worker to; return it as it is then. Raises JobNotFound and JobTerminal."""
        job, said = parse_job_id(job_id), storable(reason)

        async def act(location: Location) -> bool:
            return await self._cancel_at(location, job, reason=said, force=force)

        await self._act(job, act)
        return await self.get(job, with_content=False)

    async def retry(self, job_id: str, *, run_at: datetime | None) -> Job:
        """Make a failed or cancelled job pending, or give a pending one another start, None being now.

        Raises JobNotFound, JobTerminal for a completed job and JobProcessing for a running one.
        """
        job = parse_job_id(job_id)

        async def act(location: Location) -> bool:
            return await self._retry_at(location, job, run_at=run_at)

        await self._act(job, act)
        return await self.get(job, with_content=False)

    async def delete(self, job_id: str, *, force: bool, allow_missing: bool) -> None:
        """Delete a job; raises JobNotFound unless missing is allowed, and JobProcessing unless forced."""
        job = parse_job_id(job_id)

        async def act(location: Location) -> bool:
            return await self._delete_at(location, job, force=force)

        try:
            await self._act(job, act)
        except JobNotFound:
            if not allow_missing:
                raise

    async def _act(self, job: JobId, act: Callable[[Location], Awaitable[bool]]) -> None:
        for _ in range(_TRIES):
            location = await jobs.locate(self._database, job)
            if location is None:
                raise JobNotFound(job_id=job)
            if await act(location):
                return
        raise DatabaseBusy

    async def _cancel_at(self, location: Location, job: JobId, *, reason: str, force: bool) -> bool:
        if location.status is JobStatus.CANCELLED:
            return True
        if location.status in TERMINAL:
            raise JobTerminal(job_id=job, status=location.status)
        if location.stage is Stage.RUNNING and not force:
            return await self._request_cancel(location, job, reason=reason)
        kept = await self._kept(location.queue)
        if location.stage is Stage.RUNNING:
            kept_for = max(kept.retention if location.retention is None else location.retention, kept.window)
            done = await jobs.cancel_running(self._database, location.queue, job, kept_for=kept_for, reason=reason)
            if done:
                self._wakeups.cancel_requested(job, reason, lease_lost=True)
        else:
            done = bool(
                await jobs.cancel_pending(
                    self._database, location.queue, [job], stage=location.stage, kept=kept, reason=reason
                )
            )
        self._wakeups.jobs_finished([job] if done else [])
        return done

    async def _request_cancel(self, location: Location, job: JobId, *, reason: str) -> bool:
        asked = await jobs.request_cancel(self._database, location.queue, [job], reason=reason)
        if asked:
            self._wakeups.cancel_requested(job, reason)
        return bool(asked)

    async def _retry_at(self, location: Location, job: JobId, *, run_at: datetime | None) -> bool:
        match location.status:
            case JobStatus.PROCESSING:
                raise JobProcessing(job_id=job, worker_id=location.worker_id)
            case JobStatus.COMPLETED:
                raise JobTerminal(job_id=job, status=location.status)
            case JobStatus.PENDING:
                done = await jobs.reschedule(self._database, location.queue, job, stage=location.stage, run_at=run_at)
            case JobStatus.FAILED | JobStatus.CANCELLED:
                start, statuses = Start(run_at=run_at), (location.status,)
                done = bool(await jobs.retry(self._database, location.queue, [job], start=start, statuses=statuses))
            case _:
                assert_never(location.status)
        if done:
            self._wakeups.jobs_scheduled(location.queue)
        return done

    async def _delete_at(self, location: Location, job: JobId, *, force: bool) -> bool:
        running = location.stage is Stage.RUNNING
        if running and not force:
            raise JobProcessing(job_id=job, worker_id=location.worker_id)
        done = await self._delete(location, job)
        if done and running:
            self._wakeups.cancel_requested(job, "deleted", lease_lost=True)
        self._wakeups.jobs_finished([job] if done else [])
        return done

    async def _delete(self, location: Location, job: JobId) -> bool:
        queue, stage = location.queue, location.stage
        if stage is Stage.RUNNING:
            return await jobs.delete_running(self._database, queue, job)
        if stage is Stage.FINISHED:
            return bool(await jobs.delete_finished(self._database, queue, [job], statuses=(location.status,)))
        return bool(await jobs.delete_pending(self._database, queue, [job], stage=stage))

    async def _kept(self, queue: str) -> Kept:
        return Kept(retention=(await self._queues.get(queue)).defaults.retention, window=self._window)

    async def _whole(self, page: Sequence[Row]) -> tuple[Row, ...]:
        """Read a page again with its content; jobs deleted meanwhile fall out."""
        whole = {
            row["id"]: row for row in await jobs.get(self._database, [jobs.job_id(row) for row in page], whole=True)
        }
        return tuple(whole[row["id"]] for row in page if row["id"] in whole)

    async def _read(self, rows: Sequence[Row]) -> tuple[Job, ...]:
        queues = {name: await self._queues.get(name) for name in {row["queue"] for row in rows}}
        return tuple(job_of(row, queues[row["queue"]]) for row in rows)


def _conditions(query: JobQuery) -> Conditions:
    predicate = compiled(query.filter) if query.filter.strip() else None
    return Conditions(
        statuses=list(query.statuses),
        queues=list(query.queues),
        kinds=list(query.kinds),
        priorities=list(query.priorities),
        path=None if predicate is None else predicate.path,
        asks_about_errors=predicate is not None and predicate.asks_about_errors,
    )
