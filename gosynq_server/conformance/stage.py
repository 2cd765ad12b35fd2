"""What a case is played on: the worker's process, what was seen of it, and what is said to it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from gosynq.v1.worker_service_pb2 import LeaseGrants, WorkResponse
from gosynq_server.conformance.reports import NotApplicable, NotAsExpected, NoWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gosynq.v1 import worker_pb2
    from gosynq_server.conformance.book import HandedOut
    from gosynq_server.conformance.process import WorkerProcess
    from gosynq_server.conformance.record import Record
    from gosynq_server.conformance.session import Session

_Seen = TypeVar("_Seen")


class Stage:
    """Every wait ends in NotAsExpected: at its time, when the contract is broken, or when the worker ends too early."""

    def __init__(self, record: Record, process: WorkerProcess) -> None:
        self.record = record
        self.process = process
        self.timing = record.timing
        self._may_end = False

    @property
    def session(self) -> Session:
        """The newest stream."""
        return self.record.sessions[-1]

    @property
    def room(self) -> int:
        """How many more leases the worker takes now."""
        return self.session.limit - len(self.record.book.open)

    async def until(
        self,
        probe: Callable[[], _Seen | None],
        missing: str | Callable[[], str],
        within: timedelta | None = None,
    ) -> _Seen:
        """Wait until probe gives something true and return it; missing says what was seen if it does not."""
        limit = within or self.timing.patience
        try:
            async with asyncio.timeout(limit.total_seconds()):
                while not (seen := self._look(probe)):
                    await self.record.changes.wait()
        except TimeoutError:
            told = missing if isinstance(missing, str) else missing()
            raise NotAsExpected(f"{told} within {limit.total_seconds():g} s") from None
        return seen

    async def watch(self, length: timedelta, judge: Callable[[], str | None] = lambda: None) -> None:
        """Let time go by; judge says what has gone wrong, if anything."""
        end = monotonic() + length.total_seconds()
        while True:
            if problem := self._look(judge):
                raise NotAsExpected(problem)
            try:
                async with asyncio.timeout(end - monotonic()):
                    await self.record.changes.wait()
            except TimeoutError:
                return

    async def connected(self, *, streams: int = 1, within: timedelta | None = None) -> Session:
        """Wait for so many streams in all that said hello, and return the last; NoWorker if there is not even one."""
        limit = within or (self.timing.patience if self.record.sessions else self.timing.start)
        try:
            await self.until(lambda: len(self.record.sessions) >= streams, self._no_stream, limit)
        except NotAsExpected as error:
            if self.record.sessions or self.record.breaches:
                raise
            raise NoWorker(str(error)) from None
        return self.session

    async def hand_out(self, kind: str, *payloads: object) -> list[HandedOut]:
        """Hand out jobs at once when there is room for them; NotApplicable for a kind that it does not take."""
        session = await self._with_room(kind, len(payloads))
        worker_id = session.hello.worker_id if session.hello else ""
        leases = [self.record.book.hand_out(kind, payload, worker_id) for payload in payloads]
        session.send(WorkResponse(leases=LeaseGrants(leases=[each.lease for each in leases])))
        return leases

    async def fill(self, kind: str, payloads: Sequence[object]) -> list[HandedOut]:
        """Hand out as many of these jobs at once as there is room for, one at least."""
        await self._with_room(kind, 1)
        return await self.hand_out(kind, *payloads[: self.room])

    async def outcome(self, lease: HandedOut, expected: str, within: timedelta | None = None) -> worker_pb2.JobResult:
        """Wait for a lease's first result, which is to be of that outcome."""
        kind = lease.lease.job.kind
        results = await self.until(lambda: lease.results, lambda: f"no result of {kind} came", within)
        told = results[0].WhichOneof("outcome")
        if told != expected:
            raise NotAsExpected(f"{kind} came back as {_told(results[0])}, not as {expected}")
        return results[0]

    async def outcomes(
        self, leases: Sequence[HandedOut], expected: str, within: timedelta | None = None
    ) -> list[worker_pb2.JobResult]:
        """Wait for the first results of leases, all of that outcome."""
        return [await self.outcome(lease, expected, within) for lease in leases]

    async def ended(self) -> None:
        """Wait for the worker's good end."""
        self.may_end()
        limit = self.timing.patience
        await self.until(lambda: self.process.status is not None, "the process did not end", limit)
        if self.process.status != 0:
            raise NotAsExpected(f"the process ended with status {self.process.status}: {self.process.last_words}")

    def may_end(self) -> None:
        """Have the worker's end be none too early."""
        self._may_end = True

    def break_stream(self) -> None:
        """Break the newest stream off, as a server that dies or a network that fails."""
        self.session.break_off(grpc.StatusCode.UNAVAILABLE, "the stream is broken off")

    async def _with_room(self, kind: str, count: int) -> Session:
        session = await self.connected()
        if session.hello and session.hello.kinds and kind not in session.hello.kinds:
            raise NotApplicable(f"the worker does not take jobs of kind {kind}")
        await self.until(
            lambda: self.room >= count,
            lambda: (
                f"no room for {count} leases: max_in_flight is {self.session.limit} "
                f"with {len(self.record.book.open)} open"
            ),
        )
        return self.session

    def _look(self, probe: Callable[[], _Seen]) -> _Seen:
        if self.record.breaches:
            raise NotAsExpected(self.record.breaches[0])
        seen = probe()
        if not seen and not self._may_end and self.process.status is not None:
            raise NotAsExpected(f"the worker ended with status {self.process.status}: {self.process.last_words}")
        return seen

    def _no_stream(self) -> str:
        if self.record.has_polled and not self.record.sessions:
            return "the worker polls by LeaseJobs and opened no Work stream, which is what is examined,"
        return "no new stream said hello" if self.record.sessions else "no worker said hello"


def _told(result: Any) -> str:
    outcome = result.WhichOneof("outcome")
    return f"failure ({result.failure.error.message})" if outcome == "failure" else str(outcome)
