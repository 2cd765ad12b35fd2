"""A queue takes exactly as many jobs as its max_pending leaves room for, whatever has ended or come back meanwhile."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gosynq_client.worker.leases import Lease
from gosynq_client.worker.outcomes import Outcome, Released, Succeeded
from gosynq_server.domain.job import JobSpec
from gosynq_server.domain.queue_settings import QueueSettings, QueueUpdate, leaves_of
from gosynq_server.service.adding import Enqueued
from gosynq_server.store import jobs
from tests.service.house import FATAL
from tests.service.properties.conftest import Ground
from tests.service.properties.examples import among, pytestmark

__all__ = ["pytestmark"]

# A job that ended badly, the next jobs counted anew, and the first one brought back: steps enough that this is likely.
steps = st.lists(
    st.sampled_from(
        ["add", "add", "add", "add two", "complete", "bury", "bury", "bring back", "bring back", "lease", "let go"]
    ),
    min_size=20,
    max_size=40,
)


@among(15)
@given(limit=st.integers(min_value=1, max_value=4), steps=steps)
def test_a_queue_takes_as_many_jobs_as_there_is_room_for(ground: Ground, limit: int, steps: list[str]) -> None:
    ground.clear()
    queue = _Queue(ground, limit)
    for step in steps:
        queue.do(step)


class _Queue:
    """A queue with a limit, of which only numbers are known: what waits, what is leased, what is dead."""

    def __init__(self, ground: Ground, limit: int) -> None:
        self.run, self.house = ground.run, ground.house
        self.limit, self.pending = limit, 0
        self.held: list[Lease] = []
        self.dead: list[str] = []
        settings = QueueSettings(max_pending=limit)
        update = QueueUpdate(name="q", settings=settings, paths=leaves_of(["*"]), allow_missing=True)
        self.run(self.house.queue_verbs.update(update))

    def do(self, step: str) -> None:
        match step:
            case "add":
                self._add(1)
            case "add two":
                self._add(2)
            case "complete":
                self._end(Succeeded())
            case "bury":
                self._end(FATAL)
            case "lease":
                self.held += self._lease()
            case "let go" if self.held:
                self.run(self.house.settle(self.held.pop(), Released()))
                self.pending += 1
            case "bring back" if self.dead:
                self.run(self.house.jobs.retry(self.dead.pop(), run_at=None))
                self.run(jobs.promote(self.house.database, "q", limit=10))
                self.pending += 1

    def _add(self, count: int) -> None:
        answers = self.run(self.house.enqueuer.enqueue_each([JobSpec(queue="q", kind="k")] * count))
        taken = sum(isinstance(answer, Enqueued) for answer in answers)
        assert taken == max(0, min(count, self.limit - self.pending))
        self.pending += taken

    def _lease(self) -> list[Lease]:
        leases: list[Lease] = self.run(self.house.lease(1))
        self.pending -= len(leases)
        return leases

    def _end(self, outcome: Outcome) -> None:
        for lease in self._lease():
            self.run(self.house.settle(lease, outcome))
            self.dead += [lease.job_id] if outcome is FATAL else []
