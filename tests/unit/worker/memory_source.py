"""The other side of a worker, in memory: hands out leases, takes results fenced, and records what it is asked."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gosynq_client.worker import Handlers, Job, RuntimeOptions, SourceUnavailable, WorkerRuntime
from gosynq_client.worker.leases import (
    Exchange,
    Extension,
    Lease,
    LeaseState,
    ProgressReport,
    Refusal,
    RefusalReason,
    Result,
)
from gosynq_client.worker.outcomes import Outcome

DUE_AT = datetime(2030, 1, 1, tzinfo=UTC)

A_LEASE = Lease(
    job_id="job-0",
    queue="mail",
    kind="send",
    priority=2,
    lease_seq=1,
    lease_token="token",
    attempt=1,
    payload=b'{"to": "ada"}',
    content_type="application/json",
    labels={"team": "blue"},
    headers={"trace": "1"},
    max_retries=4,
    created_at=DUE_AT,
    run_at=DUE_AT,
    leased_at=DUE_AT + timedelta(seconds=2),
    lease_duration=timedelta(seconds=30),
    attempt_timeout=None,
)


def a_lease(**changes: object) -> Lease:
    return replace(A_LEASE, **changes)  # type: ignore[arg-type]  # a factory's fields are the test's business


def leases(count: int, **changes: object) -> list[Lease]:
    return [a_lease(job_id=f"job-{number}", **changes) for number in range(count)]


@dataclass(frozen=True)
class Asked:
    """One exchange, as it was asked for."""

    results: Sequence[Result]
    wanted: int
    at: float


class MemorySource:
    """due: what can be leased. outcomes: what was applied, by job, the first only. up: whether it can be reached.
    open: whether calls are answered. refuse: refusals to give, by job. lost, cancels: what extensions tell of."""

    def __init__(self, due: Sequence[Lease] = ()) -> None:
        self.due = deque(due)
        self.outcomes: dict[str, Outcome] = {}
        self.asked: list[Asked] = []
        self.extended: list[tuple[float, list[str]]] = []
        self.reports: list[list[ProgressReport]] = []
        self.refuse: dict[str, deque[Refusal]] = {}
        self.lost: set[str] = set()
        self.cancels: dict[str, str] = {}
        self.up = True
        self.open = asyncio.Event()
        self.open.set()
        self._pushed = asyncio.Event()
        self._news = asyncio.Condition()

    def push(self, *more: Lease) -> None:
        self.due.extend(more)
        self._pushed.set()

    async def until(self, happened: Callable[[], object]) -> None:
        """Wait until something holds; looks after each call to the source."""
        async with self._news:
            await self._news.wait_for(happened)

    async def exchange(self, results: Sequence[Result], wanted: int) -> Exchange:
        self.asked.append(Asked(results=results, wanted=wanted, at=asyncio.get_running_loop().time()))
        await self._tell()
        await self.open.wait()
        self._check_up()
        refusals = [refusal for result in results if (refusal := self._apply(result)) is not None]
        granted = [self.due.popleft() for _ in range(min(wanted, len(self.due)))]
        await self._tell()
        return Exchange(leases=granted, refusals=refusals)

    async def extend(self, leases: Sequence[Lease]) -> Sequence[Extension]:
        self.extended.append((asyncio.get_running_loop().time(), [lease.job_id for lease in leases]))
        await self._tell()
        await self.open.wait()
        self._check_up()
        return [self._extension(lease) for lease in leases]

    async def report_progress(self, reports: Sequence[ProgressReport]) -> None:
        self.reports.append(list(reports))
        await self._tell()
        self._check_up()

    async def wait(self, timeout: timedelta) -> None:  # noqa: ASYNC109 -- the protocol's word
        self._check_up()
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await self._pushed.wait()
        except TimeoutError:
            return
        self._pushed.clear()

    def _check_up(self) -> None:
        if not self.up:
            raise SourceUnavailable

    def _apply(self, result: Result) -> Refusal | None:
        lease = result.lease
        planned = self.refuse.get(lease.job_id)
        if planned:
            return planned.popleft()
        if lease.job_id in self.lost:
            return Refusal(lease=lease, reason=RefusalReason.LEASE_LOST)
        if lease.job_id in self.outcomes:
            return Refusal(lease=lease, reason=RefusalReason.ALREADY_APPLIED)
        self.outcomes[lease.job_id] = result.outcome
        return None

    def _extension(self, lease: Lease) -> Extension:
        return Extension(
            lease=lease,
            state=LeaseState.LOST if lease.job_id in self.lost else LeaseState.ACTIVE,
            cancel_requested=lease.job_id in self.cancels,
            cancel_reason=self.cancels.get(lease.job_id, ""),
        )

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


@asynccontextmanager
async def running(runtime: WorkerRuntime) -> AsyncIterator[None]:
    """Run a worker for as long as the block lasts; at its end it is stopped and has to come to its own."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(runtime.run())
        yield
        runtime.stop()


def only(function: Callable[[Job], Any], timeout: timedelta | None = None) -> Handlers:
    handlers = Handlers()
    handlers.register("send", timeout=timeout)(function)
    return handlers


async def run_all(source: MemorySource, handlers: Handlers, options: RuntimeOptions | None = None) -> None:
    """Run all due jobs to an outcome."""
    expected = len(source.due)
    async with running(WorkerRuntime(source, handlers, options)):
        await source.until(lambda: len(source.outcomes) == expected)


async def turns(count: int = 5) -> None:
    """Let everything that can run do so."""
    for _ in itertools.repeat(None, count):
        await asyncio.sleep(0)
