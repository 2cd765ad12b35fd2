"""Taking jobs for one worker: which queues to ask, and for how many of each."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from gosynq_client.worker.outcomes import Released
from gosynq_server.domain.errors import GosynqError
from gosynq_server.domain.lease_names import RemoteResult, ref_of
from gosynq_server.domain.shares import Turns
from gosynq_server.service.leases import Exchanged
from gosynq_server.service.wakeups import Deaf, Signal
from gosynq_server.store import queues

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gosynq_client.worker.leases import Lease
    from gosynq_server.domain.job import JobId
    from gosynq_server.domain.lease_names import Told
    from gosynq_server.service.leases import Leases, Taking
    from gosynq_server.store.database import Database


_SHORTEST_LOOK = timedelta(milliseconds=10)
"""A queue that is held up by its rate is asked no more often: by then several leases are due at once."""


_LONGEST_LOOK = timedelta(seconds=1)


def _unbounded(queue: str) -> int | None:
    """Stand in where no queue has a limit of its own."""


class OnCancel(Protocol):
    """Who hears of cancels of running jobs, whoever's they are; lease_lost says that the lease is void already."""

    def __call__(self, job: JobId, reason: str, *, lease_lost: bool) -> None:
        """Take one in; return at once."""


def _ignored(job: JobId, reason: str, *, lease_lost: bool) -> None:
    """Stand in for who does not want to hear of cancels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Which queues a worker takes from.

    weights are the shares of the queues when several have due jobs; without any all queues are taken from alike. room
    says how many more jobs of a queue the worker may have, None being any number.
    """

    weights: Mapping[str, int] = field(default_factory=dict)
    room: Callable[[str], int | None] = _unbounded


class Taker(Deaf):
    """Takes jobs for one worker.

    It knows of queues that may have jobs for it from wake-ups, and from a look at all of them when none came for a
    while. An exchange goes through those queues, a share of what is wanted for each, beginning with the one that is
    furthest behind its share; a queue that gave less than was wanted of it is left until it is heard of again.
    """

    def __init__(
        self,
        database: Database,
        leases: Leases,
        taking: Taking,
        demand: Demand,
        *,
        on_cancel: OnCancel = _ignored,
    ) -> None:
        """Take as taking and demand say; on_cancel hears of cancels."""
        self._database = database
        self._leases = leases
        self._taking = taking
        self._demand = demand
        self._on_cancel = on_cancel
        self._turns = Turns(demand.weights)
        self._promising: dict[str, None] = {}
        self.stranded: list[Lease] = []
        self._vain_looks: Counter[str] = Counter()
        self.woken = Signal()

    @property
    def is_promising(self) -> bool:
        """Whether there may be a job of a queue from which the worker may have more."""
        return any(self._demand.room(queue) != 0 for queue in self._promising)

    def jobs_ready(self, queue: str) -> None:
        """Look into this queue at the next exchange."""
        if self._demand.weights and queue not in self._demand.weights:
            return
        self._promising[queue] = None
        self.woken.set()

    def cancel_requested(self, job: JobId, reason: str, *, lease_lost: bool = False) -> None:
        """Pass it on to whoever runs the job."""
        self._on_cancel(job, reason, lease_lost=lease_lost)

    async def look(self) -> None:
        """Look at every queue."""
        for queue in await queues.with_ready_jobs(self._database, list(self._demand.weights) or None):
            self._promising[queue] = None

    async def exchange(self, results: Sequence[Told], wanted: int) -> Exchanged:
        """Settle results and lease up to wanted jobs.

        Where a queue cannot be reached GosynqError is raised. Whatever goes wrong with a queue, what the others gave by
        then is stranded, and goes back, uncounted, at the next call: nobody kept those leases alive, and less may be
        wanted by now. A call that is cancelled strands leases likewise.
        """
        stranded = self.stranded
        answers: list[Exchanged] = []
        try:
            await self._exchange_queues([*results, *map(_given_back, stranded)], wanted, answers)
        except BaseException:
            self.stranded = [*stranded, *(lease for answer in answers for lease in answer.leases)]
            raise
        self.stranded = []
        return _together(answers)

    async def _exchange_queues(self, results: Sequence[Told], wanted: int, answers: list[Exchanged]) -> None:
        weight_left = sum(map(self._turns.weight, self._promising))
        for queue, group in self._with_results(results).items():
            weight = self._turns.weight(queue) if queue in self._promising else 0
            share = -(-wanted * weight // max(weight_left, 1))
            answers.append(await self._exchange_queue(queue, group, share))
            taken = len(answers[-1].leases)
            self._turns.took(queue, taken)
            wanted -= taken
            weight_left -= weight

    def _with_results(self, results: Sequence[Told]) -> dict[str, list[Told]]:
        groups: defaultdict[str, list[Told]] = defaultdict(list)
        for queue in self._turns.order(self._promising):
            groups[queue] = []
        for result in results:
            groups[result.lease.queue].append(result)
        return groups

    async def _exchange_queue(self, queue: str, results: Sequence[Told], share: int) -> Exchanged:
        room = self._demand.room(queue)
        wanted = max(share if room is None else min(share, room), 0)
        if not results and not wanted:
            return Exchanged()
        promising = bool(share) and queue in self._promising
        if promising:
            del self._promising[queue]  # before the call: a wake-up during it must not be lost
        try:
            exchanged = await self._leases.exchange(queue, results, self._taking, wanted=wanted)
        except GosynqError:
            if promising:
                self._promising[queue] = None
            raise
        if promising and len(exchanged.leases) >= wanted:
            self._promising[queue] = None
        elif promising and exchanged.again_in is not None:
            self._look_again(queue, exchanged)
        return exchanged

    def _look_again(self, queue: str, exchanged: Exchanged) -> None:
        """Look into a queue again when its rate may let more through.

        Later and later where nothing comes, as there may be nothing; a look of all queues comes after a second anyway.
        """
        vain = 0 if exchanged.leases else self._vain_looks[queue] + 1
        self._vain_looks[queue] = vain
        delay = max(exchanged.again_in or _SHORTEST_LOOK, _SHORTEST_LOOK) * 2**vain
        if delay < _LONGEST_LOOK:
            asyncio.get_running_loop().call_later(delay.total_seconds(), self.jobs_ready, queue)
        else:
            self._vain_looks[queue] = 0


def _given_back(lease: Lease) -> RemoteResult:
    return RemoteResult(lease=ref_of(lease), outcome=Released())


def _together(answers: Sequence[Exchanged]) -> Exchanged:
    if len(answers) == 1:
        return answers[0]
    return Exchanged(
        leases=[lease for answer in answers for lease in answer.leases],
        statuses={key: status for answer in answers for key, status in answer.statuses.items()},
        refused={key: reason for answer in answers for key, reason in answer.refused.items()},
        found={key: status for answer in answers for key, status in answer.found.items()},
        replaced={key: outcome for answer in answers for key, outcome in answer.replaced.items()},
    )
