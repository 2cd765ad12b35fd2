"""A service layer that answers what a test scripted, for what PostgreSQL can't be made to do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gosynq_server.domain.job import Job, JobSpec, JobStatus
from gosynq_server.domain.lease_names import LeaseRef, RemoteProgress, RemoteResult
from gosynq_server.domain.listing import AttemptPage, JobPage, JobQuery
from gosynq_server.domain.watching import WatchQuery
from gosynq_server.domain.worker import WorkerProfile
from gosynq_server.rpc.admin import ServerInfo
from gosynq_server.rpc.server import Services
from gosynq_server.service.enqueue import Enqueued
from tests.unit.rpc.factories import a_job, an_attempt

INFO = ServerInfo(
    version="1.2.3",
    server_id="server-a",
    max_payload_bytes=262_144,
    idempotency_window=timedelta(hours=24),
    event_retention=timedelta(days=7),
    features=("stream-enqueue",),
)


@dataclass(slots=True)
class ScriptedService:
    """All services in one. An answer is a value, an exception to raise, or a coroutine function to run instead."""

    answers: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    async def enqueue(self, spec: JobSpec) -> Any:
        return await self._answer("enqueue", enqueued("one", job=a_job()), spec)

    async def check(self, spec: JobSpec) -> Any:
        return await self._answer("check", enqueued("", job=a_job(id="")), spec)

    async def enqueue_all(self, specs: Sequence[JobSpec]) -> Any:
        return await self._answer("enqueue_all", [enqueued(spec.kind) for spec in specs], specs)

    async def enqueue_each(self, specs: Sequence[JobSpec]) -> Any:
        return await self._answer("enqueue_each", [enqueued(spec.kind) for spec in specs], specs)

    async def lease(self, profile: WorkerProfile, wanted: int, *, wait: timedelta, draining: asyncio.Event) -> Any:
        return await self._answer("lease", (), profile, wanted, wait)

    async def end(self, result: RemoteResult) -> Any:
        return await self._answer("end", JobStatus.COMPLETED, result)

    async def extend(self, held: Sequence[LeaseRef], *, by: timedelta | None) -> Any:
        return await self._answer("extend", [], held, by)

    async def report(self, progress: RemoteProgress) -> Any:
        return await self._answer("report", None, progress)

    def watch(self, query: WatchQuery) -> Any:
        return self.answers["watch"](query)

    async def get(self, job_id: str, *, with_content: bool) -> Any:
        return await self._answer("get", a_job(), job_id, with_content)

    async def list(self, query: JobQuery) -> Any:
        return await self._answer("list", JobPage(jobs=(a_job(),), next_page_token="next"), query)

    async def attempts(self, job_id: str, *, page_size: int, page_token: str) -> Any:
        page = AttemptPage(attempts=(an_attempt(),), next_page_token="next")
        return await self._answer("attempts", page, job_id, page_size, page_token)

    async def wait(self, job_id: str, timeout: timedelta) -> Any:  # noqa: ASYNC109 - the signature that is stood in for
        return await self._answer("wait", a_job(), job_id, timeout)

    async def cancel(self, job_id: str, *, reason: str, force: bool) -> Any:
        return await self._answer("cancel", a_job(), job_id, reason, force)

    async def retry(self, job_id: str, *, run_at: datetime | None) -> Any:
        return await self._answer("retry", a_job(), job_id, run_at)

    async def delete(self, job_id: str, *, force: bool, allow_missing: bool) -> None:
        await self._answer("delete", None, job_id, force, allow_missing)

    async def drain(self, worker_id: str, *, reason: str) -> Any:
        return await self._answer("drain", None, worker_id, reason)

    async def _answer(self, name: str, usual: Any, *arguments: Any) -> Any:
        self.calls.append((name, *arguments))
        answer = self.answers.get(name, usual)
        if isinstance(answer, BaseException):
            raise answer
        return await answer(*arguments) if asyncio.iscoroutinefunction(answer) else answer


def enqueued(job_id: str, *, job: Job | None = None) -> Enqueued:
    return Enqueued(job_id=job_id, status=JobStatus.PENDING, deduplicated=False, job=job)


def scripted_services(service: ScriptedService) -> Services:
    """Let a scripted service stand for the real ones."""
    stand_in: Any = service
    return Services(
        enqueuer=stand_in,
        jobs=stand_in,
        watches=stand_in,
        event_pages=stand_in,
        workers=stand_in,
        roster=stand_in,
        schedules=stand_in,
        bulk_jobs=stand_in,
        dead_letters=stand_in,
        queues=stand_in,
        queue_removal=stand_in,
        info=INFO,
    )


class Observed:
    """The method and code of every call that ended, which a caller may hear of a moment earlier."""

    def __init__(self) -> None:
        self._calls: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def observe(self, method: str, code: str, seconds: float) -> None:
        assert seconds >= 0
        self._calls.put_nowait((method, code))

    async def take(self, count: int = 1) -> list[tuple[str, str]]:
        """Wait for that many calls to end, and hold that no more did."""
        async with asyncio.timeout(5):
            calls = [await self._calls.get() for _ in range(count)]
        assert self._calls.empty()
        return calls
