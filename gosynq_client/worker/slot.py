"""A slot: one long-lived task that runs attempts one after another."""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

from gosynq_client.worker.attempt import Attempt, AttemptState, Interruption
from gosynq_client.worker.isolation import in_context
from gosynq_client.worker.job import Job
from gosynq_client.worker.observing import facts
from gosynq_client.worker.outcomes import AttemptError, Failed
from gosynq_client.worker.verdicts import outcome_of_answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from datetime import timedelta

    from gosynq_client.worker.handlers import Handler, Handlers
    from gosynq_client.worker.leases import ProgressReport
    from gosynq_client.worker.ledger import Ledger
    from gosynq_client.worker.outcomes import Outcome

logger = logging.getLogger(__name__)

# A slot whose handlers never wait lets the event loop have a turn this often: the heartbeats need it.
MAX_SLICE_SECONDS: Final = 0.002


class Slot:
    """Runs attempts from the ledger, one at a time, until it is cancelled with the ledger closed.

    No job gets a task: the slot's own task is inside the handler, and an interruption cancels that task. What of it
    does not end in the handler the slot takes back, so that it outlives whatever a handler does with cancellation.

    A thread cannot be interrupted, only told: its lease is kept until its function returns or raises. After
    thread_grace, or when the lease is lost, the thread is left behind and its job settled without it.

    Not to be helped: a coroutine that never awaits cannot be interrupted, one that swallows every CancelledError keeps
    its slot, and so does a thread until its function returns.
    """

    def __init__(
        self,
        ledger: Ledger,
        handlers: Handlers,
        threads: Executor,
        report: Callable[[ProgressReport], None],
        *,
        thread_grace: timedelta,
    ) -> None:
        self._ledger = ledger
        self._handlers = handlers
        self._threads = threads
        self._report = report
        self._thread_grace = thread_grace

    async def run(self) -> None:
        """Run attempts; a cancel that some handler left behind does no harm."""
        while not self._ledger.closed:
            try:
                await self._run_attempts()
            except asyncio.CancelledError:
                if self._ledger.closed:
                    raise
                await self._take_back_cancels(_this_task())

    async def _run_attempts(self) -> None:
        ledger, task, slice_end = self._ledger, _this_task(), 0.0
        while not ledger.closed:
            if monotonic() > slice_end:
                await asyncio.sleep(0)
                slice_end = monotonic() + MAX_SLICE_SECONDS
            attempt = ledger.take(monotonic())
            if attempt is None:
                await ledger.arrival()
                slice_end = monotonic() + MAX_SLICE_SECONDS
                continue
            handler = self._handlers.get(attempt.lease.kind)
            if handler is None:
                ledger.end(attempt, _unknown_kind(attempt))
                continue
            await self._run_attempt(attempt, handler, task)
            if task.cancelling():
                await self._take_back_cancels(task)

    async def _run_attempt(self, attempt: Attempt, handler: Handler, task: asyncio.Task[None]) -> None:
        ledger, job, timer = self._ledger, Job(attempt.lease, self._report), None
        attempt.limit(handler.timeout)
        attempt.start(job, task, monotonic())
        if attempt.timeout is not None:
            seconds = attempt.timeout.total_seconds()
            timer = asyncio.get_running_loop().call_later(seconds, ledger.interrupt, attempt, Interruption.TIMEOUT)
        ledger.active += 1
        run = self._run_in_thread if handler.in_thread else self._run_here
        try:
            outcome = await run(attempt, handler)
        finally:
            ledger.active -= 1
            if timer is not None:
                timer.cancel()
        if attempt.state is AttemptState.RUNNING:
            ledger.end(attempt, outcome)
        else:
            ledger.vacate()

    async def _run_here(self, attempt: Attempt, handler: Handler) -> Outcome:
        try:
            return outcome_of_answer(await in_context(handler.function(attempt.job), copy_context()))  # type: ignore[arg-type]
        except BaseException as error:
            if self._is_for_slot(error, attempt.task):
                raise
            return attempt.outcome_of(error)

    async def _run_in_thread(self, attempt: Attempt, handler: Handler) -> Outcome:
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._threads, copy_context().run, _call, attempt, handler)
        while not call.done():
            try:
                await asyncio.wait((call,))
            except asyncio.CancelledError:
                if self._ledger.closed:
                    raise
                # The first timer decides; others find the attempt ended.
                if attempt.interruption is not Interruption.NONE:
                    loop.call_later(self._thread_grace.total_seconds(), self._leave_behind, attempt)
        return call.result()

    def _leave_behind(self, attempt: Attempt) -> None:
        if attempt.state is AttemptState.RUNNING:
            logger.warning("thread goes on though told to stop, job settled without it", extra=facts(attempt.lease))
            self._ledger.abandon(attempt, attempt.broken_off())

    def _is_for_slot(self, error: BaseException, task: asyncio.Task[None]) -> bool:
        # A closed ledger means that a cancel is for the slot; else it is an interruption or the handler's own. Python
        # closes a coroutine from outside of its task; within it a GeneratorExit is the handler's own as well.
        if isinstance(error, GeneratorExit):
            return asyncio.current_task(task.get_loop()) is not task
        return self._ledger.closed and isinstance(error, asyncio.CancelledError)

    async def _take_back_cancels(self, task: asyncio.Task[None]) -> None:
        # Cancels that the handler swallowed, asked for itself, or ended before it could feel.
        while task.uncancel():
            pass
        try:
            await asyncio.sleep(0)  # one that is still to be delivered comes up here, not in the next job's handler
        except asyncio.CancelledError:
            if self._ledger.closed:
                raise


def _call(attempt: Attempt, handler: Handler) -> Outcome:
    # Runs in a thread. Everything is judged here: a future cannot carry a StopIteration, for one. A function that was
    # told to stop may return because it was, its work undone: nothing that it returns then is a success.
    try:
        outcome = outcome_of_answer(handler.function(attempt.job))
    except BaseException as error:  # noqa: BLE001 -- a handler's edge; SystemExit would end the thread in silence
        return attempt.outcome_of(error)
    return outcome if attempt.interruption is Interruption.NONE else attempt.broken_off()


def _unknown_kind(attempt: Attempt) -> Outcome:
    kind = attempt.lease.kind
    return Failed(error=AttemptError(type="UnknownKind", message=f"this worker has no handler for {kind!r}"))


def _this_task() -> asyncio.Task[None]:
    return cast("asyncio.Task[None]", asyncio.current_task())  # a slot runs in a task
