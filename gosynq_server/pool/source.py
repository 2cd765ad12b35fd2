"""Where the pool's leases come from: straight from the service, for every queue that has jobs for it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from gosynq_client.worker.leases import Exchange, Result
from gosynq_client.worker.outcomes import Released
from gosynq_client.worker.source import SourceUnavailable
from gosynq_server.domain.errors import GosynqError
from gosynq_server.service.wakeups import Deaf, Signal
from gosynq_server.store import queues

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from gosynq_client.worker.leases import Extension, Lease, ProgressReport
    from gosynq_server.domain.job import JobId
    from gosynq_server.service.leases import Leases
    from gosynq_server.store.database import Database


class LocalLeaseSource(Deaf):
    """A source of leases inside the server.

    It knows of queues that may have jobs for it from wake-ups, and from a look at all of them when none came for a
    while. An exchange goes through those queues, a share of what is wanted for each, beginning with another one each
    time; a queue that gave less than its share is left until it is heard of again.
    """

    def __init__(
        self,
        database: Database,
        leases: Leases,
        *,
        worker_id: str,
        kinds: Sequence[str],
        among: Sequence[str] = (),
        on_cancel: Callable[[JobId, str], None],
    ) -> None:
        """Take jobs of some kinds, from the queues named in among, or from all; on_cancel hears of pushed cancels."""
        self._database = database
        self._leases = leases
        self._worker_id = worker_id
        self._kinds = list(kinds)
        self._among = list(among)
        self._on_cancel = on_cancel
        self._promising: dict[str, None] = {}
        self._stranded: list[Lease] = []
        self._woken = Signal()

    def jobs_ready(self, queue: str) -> None:
        """Look into this queue at the next exchange."""
        if self._among and queue not in self._among:
            return
        self._promising[queue] = None
        self._woken.set()

    def cancel_requested(self, job: JobId, reason: str) -> None:
        """Pass it on to whoever runs the job."""
        self._on_cancel(job, reason)

    async def exchange(self, results: Sequence[Result], wanted: int) -> Exchange:
        """Settle results and lease up to wanted jobs.

        Raises SourceUnavailable where a queue cannot be reached; what the others gave by then goes back, uncounted, at
        the next call: nobody kept those leases alive, and less may be wanted by now.
        """
        stranded = self._stranded
        given_back = [Result(lease=lease, outcome=Released()) for lease in stranded]
        answers: list[Exchange] = []
        try:
            await self._exchange_queues([*results, *given_back], wanted, answers)
        except GosynqError as error:
            self._stranded = [*stranded, *(lease for answer in answers for lease in answer.leases)]
            raise SourceUnavailable from error
        self._stranded = []
        return Exchange(
            leases=[lease for answer in answers for lease in answer.leases],
            refusals=[told for answer in answers for told in answer.refusals if told.lease not in stranded],
            replaced=[result for answer in answers for result in answer.replaced],
        )

    async def extend(self, leases: Sequence[Lease]) -> Sequence[Extension]:
        """Extend leases; raises SourceUnavailable."""
        try:
            return await self._leases.extend(leases)
        except GosynqError as error:
            raise SourceUnavailable from error

    async def report_progress(self, reports: Sequence[ProgressReport]) -> None:
        """Keep progress; raises SourceUnavailable."""
        try:
            await self._leases.report_progress(reports)
        except GosynqError as error:
            raise SourceUnavailable from error

    async def wait(self, timeout: timedelta) -> None:  # noqa: ASYNC109 - being over is no error
        """Wait for a wake-up, or not at all where a queue may have more; without one look at every queue."""
        if self._promising or await self._woken.wait(timeout.total_seconds()):
            return
        try:
            for queue in await queues.with_ready_jobs(self._database, self._among or None):
                self._promising[queue] = None
        except GosynqError as error:
            raise SourceUnavailable from error

    async def _exchange_queues(self, results: Sequence[Result], wanted: int, answers: list[Exchange]) -> None:
        left = len(self._promising)
        for queue, group in self._with_results(results).items():
            share = -(-wanted // max(left, 1))
            answers.append(await self._exchange_queue(queue, group, share))
            wanted -= len(answers[-1].leases)
            left -= 1

    def _with_results(self, results: Sequence[Result]) -> dict[str, list[Result]]:
        groups: defaultdict[str, list[Result]] = defaultdict(list)
        for queue in self._promising:
            groups[queue] = []
        for result in results:
            groups[result.lease.queue].append(result)
        return groups

    async def _exchange_queue(self, queue: str, results: Sequence[Result], share: int) -> Exchange:
        promising = queue in self._promising
        share = max(share, 0) if promising else 0
        if not results and not share:
            return Exchange()
        self._promising.pop(queue, None)  # before the call: a wake-up during it must not be lost
        try:
            exchanged = await self._leases.exchange(
                queue, results, worker_id=self._worker_id, kinds=self._kinds, wanted=share
            )
        except GosynqError:
            if promising:
                self._promising[queue] = None
            raise
        if promising and len(exchanged.leases) >= share:
            self._promising[queue] = None
        return exchanged
