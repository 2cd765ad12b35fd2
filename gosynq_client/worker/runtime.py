"""The worker: puts its parts together, runs them, and stops them in phases."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from gosynq_client.worker.attempt import AttemptState, Interruption
from gosynq_client.worker.exchanger import Exchanger
from gosynq_client.worker.heartbeater import Heartbeater
from gosynq_client.worker.ledger import Ledger
from gosynq_client.worker.observing import facts
from gosynq_client.worker.options import RuntimeOptions
from gosynq_client.worker.reporter import Reporter
from gosynq_client.worker.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from gosynq_client.worker.handlers import Handlers
    from gosynq_client.worker.leases import Lease
    from gosynq_client.worker.observing import AttemptEnded
    from gosynq_client.worker.source import LeaseSource

Part: TypeAlias = "Callable[[], Coroutine[Any, Any, None]]"

logger = logging.getLogger(__name__)

# A cancel may get lost on its way, in a handler or in a source (asyncio.wait_for loses some before Python 3.12).
PATIENCE_SECONDS: Final = 1.0

HANDLER_THREADS = "gosynq-handler"
"""What the names of the threads that run plain functions begin with."""


class WorkerRuntime:
    """Runs handlers on leases from a source, until it is stopped.

    observe is called once for every attempt that was started, on the event loop, when its result is recorded or its
    lease is known to be lost, and must not raise. All methods belong to the event loop's thread.

    A stop has phases: no more leases, and those not begun are given back; a grace for the handlers at work; then they
    are cancelled, and their jobs given back uncounted, those of handlers that go on after half the settling time;
    everything is settled; run returns. Two things can hold up the
    last step, and both only after the jobs were given back: a coroutine that swallows every cancellation, which run
    waits for, and a thread that never returns, which the interpreter waits for at its exit.
    """

    def __init__(
        self,
        source: LeaseSource,
        handlers: Handlers,
        options: RuntimeOptions | None = None,
        observe: Callable[[AttemptEnded], None] | None = None,
    ) -> None:
        self._handlers = handlers
        self._options = options or RuntimeOptions()
        self._ledger = Ledger(observe)
        self._heartbeater = Heartbeater(source, self._ledger)
        self._reporter = Reporter(source)
        self._exchanger = Exchanger(source, self._ledger, self._heartbeater, self._options)

    @property
    def active(self) -> int:
        """Handlers at work."""
        return self._ledger.active

    @property
    def held(self) -> int:
        """Leases whose attempt has not ended."""
        return len(self._ledger.held)

    async def run(self) -> None:
        """Work until stopped; once only.

        Cancelling it instead leaves its leases to run out. What the source or observe raises, other than
        SourceUnavailable, comes out in an ExceptionGroup.
        """
        threads = ThreadPoolExecutor(self._options.concurrency, thread_name_prefix=HANDLER_THREADS)
        try:
            async with asyncio.TaskGroup() as tasks:
                crew = [tasks.create_task(self._guard(part)) for part in self._parts(threads)]
                await self._guard(partial(self._exchange_until_drained, tasks))
                await _dismiss(crew)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Ask `run` to come to its end; may be called early, and twice."""
        self._ledger.stop()

    def cancel(self, job_id: str, reason: str) -> None:
        """Cancel the attempt at a job, if there is one here."""
        attempt = self._ledger.held.get(job_id)
        if attempt is not None:
            self._ledger.cancel(attempt, reason)

    def lose(self, job_id: str, lease_token: str) -> None:
        """Drop the attempt under a lease that is void, if it is here; nothing is reported of it."""
        attempt = self._ledger.held.get(job_id)
        if attempt is not None and attempt.lease.lease_token == lease_token:
            self._ledger.interrupt(attempt, Interruption.LEASE_LOST)

    def in_threads(self) -> list[Lease]:
        """Return the leases of attempts whose function runs in a thread, or ran in one when `run` was cancelled."""
        running = [attempt.lease for attempt in self._ledger.in_state(AttemptState.RUNNING)]
        handlers = [(lease, self._handlers.get(lease.kind)) for lease in running]
        return [lease for lease, handler in handlers if handler is not None and handler.in_thread]

    def _parts(self, threads: ThreadPoolExecutor) -> list[Part]:
        slots = [self._slot(threads) for _ in range(self._options.concurrency)]
        return [self._heartbeater.run, self._reporter.run, self._exchanger.watch, *(slot.run for slot in slots)]

    def _slot(self, threads: ThreadPoolExecutor) -> Slot:
        thread_grace = self._options.thread_grace
        return Slot(self._ledger, self._handlers, threads, self._reporter.report, thread_grace=thread_grace)

    async def _guard(self, part: Part) -> None:
        # A slot tells a cancel that ends it from one that a handler left behind by the ledger being closed. So it is
        # closed before the task group cancels anybody: at the end of the main loop, or of any part.
        try:
            await part()
        finally:
            self._ledger.closed = True

    async def _exchange_until_drained(self, tasks: asyncio.TaskGroup) -> None:
        limit = asyncio.timeout(None)
        try:
            async with limit:
                winding_down = tasks.create_task(self._guard(partial(self._wind_down, limit)))
                await self._exchanger.run()
        except TimeoutError:
            if not limit.expired():
                raise
        if limit.expired():
            left = {"results": self._ledger.unsettled}
            logger.error("stopped with results unsettled, their leases will run out", extra=left)
        winding_down.cancel()

    async def _wind_down(self, limit: asyncio.Timeout) -> None:
        ledger, settle_seconds = self._ledger, self._options.settle_time.total_seconds()
        await ledger.stopping.wait()
        await asyncio.sleep(self._options.grace.total_seconds())
        for attempt in ledger.in_state(AttemptState.RUNNING):
            ledger.interrupt(attempt, Interruption.SHUTDOWN)
        await asyncio.sleep(settle_seconds / 2)
        for attempt in ledger.in_state(AttemptState.RUNNING):
            logger.warning("handler ignores cancellation, job given back", extra=facts(attempt.lease))
            ledger.abandon(attempt, attempt.broken_off())
        await asyncio.sleep(settle_seconds / 2)
        limit.reschedule(asyncio.get_running_loop().time())


async def _dismiss(crew: Collection[asyncio.Task[None]]) -> None:
    while crew:
        for member in crew:
            member.cancel()
        _, crew = await asyncio.wait(crew, timeout=PATIENCE_SECONDS)
