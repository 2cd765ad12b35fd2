"""Sends progress: of each attempt the last word only, all in one call, at most so often."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from gosynq_client.worker.source import SourceUnavailable

if TYPE_CHECKING:
    from gosynq_client.worker.leases import ProgressReport
    from gosynq_client.worker.source import LeaseSource

logger = logging.getLogger(__name__)

MIN_PAUSE_SECONDS: Final = 0.1


class Reporter:
    """Takes progress from any thread while it runs; best effort, nothing is sent twice."""

    def __init__(self, source: LeaseSource) -> None:
        self._source = source
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reports: dict[tuple[str, int], ProgressReport] = {}
        self._news = asyncio.Event()

    def report(self, report: ProgressReport) -> None:
        """Take a report, from any thread; what comes from a thread that outlives the worker is dropped."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._record, report)

    async def run(self) -> None:
        """Send until cancelled."""
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                await self._send()
                await asyncio.sleep(MIN_PAUSE_SECONDS)
        finally:
            self._loop = None

    def _record(self, report: ProgressReport) -> None:
        self._reports[report.lease.job_id, report.lease.lease_seq] = report
        self._news.set()

    async def _send(self) -> None:
        reports, self._reports = list(self._reports.values()), {}
        try:
            await self._source.report_progress(reports)
        except SourceUnavailable:
            logger.debug("progress dropped, source unavailable", extra={"reports": len(reports)})
