"""The examination: one case after the other, each with a fresh process of the worker's and a fresh server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

from gosynq_server.conformance.process import worker_process
from gosynq_server.conformance.record import Record
from gosynq_server.conformance.reports import NotApplicable, NotAsExpected, NoWorker, Report, Verdict
from gosynq_server.conformance.server import serving
from gosynq_server.conformance.stage import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from gosynq_server.conformance.reports import Case
    from gosynq_server.conformance.timing import Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """Whom to examine, by the command that starts it, on which queue, and where what it writes is kept."""

    command: Sequence[str]
    queue: str
    timing: Timing
    log: Path


async def examine(examination: Examination, cases: Sequence[Case]) -> AsyncIterator[Report]:
    """Play the cases in their order; without a worker the rest is skipped. Raises WorkerNotStarted."""
    no_worker = ""
    for case in cases:
        if no_worker:
            yield _report(case, Verdict.SKIPPED, no_worker, timedelta())
            continue
        begun = monotonic()
        verdict, seen = Verdict.PASSED, ""
        try:
            seen = await _play(examination, case)
        except NoWorker as problem:
            verdict, seen = Verdict.FAILED, str(problem)
            no_worker = "no worker said hello in the case before"
        except NotAsExpected as problem:
            verdict, seen = Verdict.FAILED, str(problem)
        except NotApplicable as reason:
            verdict, seen = Verdict.SKIPPED, str(reason)
        yield _report(case, verdict, seen, timedelta(seconds=monotonic() - begun))


async def _play(examination: Examination, case: Case) -> str:
    record = Record(queue=examination.queue, timing=examination.timing)
    async with serving(record) as target:
        environment = {"GOSYNQ_TARGET": target, "GOSYNQ_QUEUE": examination.queue}
        async with worker_process(examination.command, environment, examination.log, record.changes) as process:
            limit = examination.timing.case.total_seconds()
            try:
                async with asyncio.timeout(limit):
                    return await case.play(Stage(record, process))
            except TimeoutError:
                raise NotAsExpected(f"the case did not end within {limit:g} s") from None


def _report(case: Case, verdict: Verdict, seen: str, took: timedelta) -> Report:
    return Report(case=case.name, verdict=verdict, expected=case.expected, seen=seen, took=took)
