"""Load that keeps the books: jobs under keys at a pace, each call repeated until its outcome is known."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from gosynq_client import Client, DeadlineExceeded, GosynqError, JobRequest, JobStatus, Unavailable
from tests.fault.history import ClientLine, Journal, Step, Verb

_REPEAT_PAUSE = 0.05
_SHARE_REPEATED, _SHARE_CANCELLED = 0.05, 0.5


@dataclass(slots=True, kw_only=True)
class Load:
    """Enqueues a mixture of jobs until stopped: most quick, some failing, slow or on threads; cancels half of the slow.

    rate is how many in a second, in_flight how many calls at once at most. reasons counts what calls were answered with
    other than well; acknowledged counts calls, ids has the jobs that they made.
    """

    client: Client
    journal: Journal
    random: Random
    prefix: str = "load"
    rate: float = 200.0
    in_flight: int = 64
    reasons: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    ids: set[str] = field(default_factory=set)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _progressed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Enqueue until stopped, and then until every call's outcome is known."""
        number = 0
        free = asyncio.Semaphore(self.in_flight)
        async with asyncio.TaskGroup() as calls:
            while not self._stopping.is_set():
                await free.acquire()
                calls.create_task(self._one(f"{self.prefix}-{number}", free))
                number += 1
                await _pace(1 / self.rate)

    def stop(self) -> None:
        self._stopping.set()

    async def acknowledge(self, more: int) -> None:
        """Wait until so many more jobs were acknowledged."""
        goal = self.acknowledged + more
        async with self._progressed:
            await self._progressed.wait_for(lambda: self.acknowledged >= goal)

    async def enqueue(
        self, kind: str, key: str, payload: dict[str, object], attempt_timeout: timedelta | None = None
    ) -> str:
        """Enqueue one job that must be taken, until it is; return its id."""
        job_id = await self.put(JobRequest(kind, payload, idempotency_key=key, attempt_timeout=attempt_timeout))
        assert job_id, self.reasons
        return job_id

    async def fill(self, kind: str, payload: dict[str, object], *, until: str) -> None:
        """Enqueue jobs one after another until one is refused for a reason."""
        number = 0
        while not self.reasons[until]:
            await self.put(JobRequest(kind, payload, idempotency_key=f"{self.prefix}-{number}"))
            number += 1

    async def _one(self, key: str, free: asyncio.Semaphore) -> None:
        try:
            request = self._request(key)
            job_id = await self.put(request)
            if job_id and self.random.random() < _SHARE_REPEATED:
                await self.put(request)
            if job_id and request.kind == "slow" and self.random.random() < _SHARE_CANCELLED:
                await self._cancel(key, job_id)
        finally:
            free.release()

    async def put(self, request: JobRequest) -> str:
        """Enqueue until it is known what became of it; return the job's id, empty if it was refused."""
        key = request.idempotency_key or ""
        while True:
            self._note(Step.INVOKE, Verb.ENQUEUE, key)
            try:
                enqueued = await self.client.enqueue(
                    request.kind,
                    request.payload,
                    queue=request.queue,
                    idempotency_key=key,
                    concurrency_key=request.concurrency_key,
                    ordering_key=request.ordering_key,
                    max_retries=request.max_retries,
                    max_deliveries=request.max_deliveries,
                    attempt_timeout=request.attempt_timeout,
                )
            except GosynqError as error:
                if self._note_error(error, Verb.ENQUEUE, key) is Step.FAIL:
                    return ""
                await _pace(_REPEAT_PAUSE)
            else:
                self._note(Step.OK, Verb.ENQUEUE, key, job_id=enqueued.id)
                self.ids.add(enqueued.id)
                await self._progress()
                return enqueued.id

    async def _cancel(self, key: str, job_id: str) -> None:
        self._note(Step.INVOKE, Verb.CANCEL, key, job_id=job_id)
        try:
            job = await self.client.cancel(job_id, force=self.random.random() < _SHARE_CANCELLED)
        except GosynqError as error:
            self._note_error(error, Verb.CANCEL, key, job_id=job_id)
        else:
            self._note(Step.OK, Verb.CANCEL, key, job_id=job_id, told=job.status)

    def _request(self, key: str) -> JobRequest:
        drawn = self.random.random()
        if drawn < 0.85:
            return JobRequest("quick", idempotency_key=key)
        if drawn < 0.92:
            failures = self.random.choice((1, 2, 9))
            return JobRequest("failing", {"failures": failures}, idempotency_key=key, max_retries=2)
        kind = "slow" if drawn < 0.97 else "threaded"
        return JobRequest(kind, {"seconds": self.random.uniform(0.05, 0.8)}, idempotency_key=key)

    async def _progress(self) -> None:
        async with self._progressed:
            self.acknowledged += 1
            self._progressed.notify_all()

    def _note_error(self, error: GosynqError, verb: Verb, key: str, *, job_id: str = "") -> Step:
        step = Step.UNKNOWN if isinstance(error, Unavailable | DeadlineExceeded) else Step.FAIL
        self._note(step, verb, key, job_id=job_id, told=error.reason or error.code)
        return step

    def _note(self, step: Step, verb: Verb, key: str, *, job_id: str = "", told: str = "") -> None:
        if step in (Step.FAIL, Step.UNKNOWN):
            self.reasons[told] += 1
        self.journal.write(ClientLine(step=step, verb=verb, key=key, job_id=job_id, told=told, at=time.monotonic()))


async def drain(client: Client, *, within: timedelta = timedelta(seconds=60)) -> None:
    """Wait until no job is left to do."""
    async with asyncio.timeout(within.total_seconds()):
        while left := [job.id async for job in client.list(statuses=[JobStatus.PENDING, JobStatus.PROCESSING])]:
            for job_id in left:
                await client.wait(job_id)


async def _pace(seconds: float) -> None:
    """Let time pass: the load's own rhythm, never a wait for something."""
    await asyncio.sleep(seconds)
