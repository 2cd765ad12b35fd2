"""The bounds that the contract states, held against what was leased; the model has no say in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import combinations

from gosynq_server.domain.job import Stage
from tests.service.properties.model import ModelJob
from tests.service.properties.tables import JobRow

_PLACES = {Stage.READY, Stage.RUNNING}


def check_rate(leased_at: Sequence[datetime], rate: float, burst: int) -> None:
    """Assert that no span of time has more leases than the burst and the rate times the span."""
    for (first, began), (last, ended) in combinations(enumerate(sorted(leased_at)), 2):
        assert last - first + 1 <= burst + rate * (ended - began).total_seconds() + 1e-6


def check_order(leased: Sequence[str], waiting: Sequence[ModelJob]) -> None:
    """Assert that a job is overtaken, in the line of its fairness key, only by what became due soon enough after it.

    That is within the difference of their priorities times what waiting makes up for one, where that has not changed.
    """
    jobs = {job.id: job for job in waiting}
    for turn, first in enumerate(leased):
        job = jobs[first]
        for passed in (jobs[other] for other in jobs.keys() - leased[: turn + 1]):
            if (job.fairness_key, job.step) == (passed.fairness_key, passed.step):
                assert job.became_due - passed.became_due <= (job.priority - passed.priority) * job.step


def check_keys(rows: Sequence[JobRow], limit: int | None) -> None:
    """Assert that no ordering key has two places, and that of a concurrency key none is given out beyond its limit.

    A place is at the front or leased. Where the limit was lowered, more may be leased still.
    """
    in_order = Counter(row.ordering_key for row in rows if row.ordering_key and row.stage in _PLACES)
    assert all(count == 1 for count in in_order.values()), in_order
    at_once = Counter(row.concurrency_key for row in rows if row.concurrency_key and row.stage in _PLACES)
    at_front = {row.concurrency_key for row in rows if row.concurrency_key and row.stage == Stage.READY}
    assert limit is None or all(at_once[key] <= limit for key in at_front), at_once


def check_admitted(before: Sequence[JobRow], after: Sequence[JobRow]) -> None:
    """Assert that of each ordering key the first of those that waited was let through."""
    new = {row.id for row in after if row.stage == Stage.READY} - {row.id for row in before if row.stage == Stage.READY}
    for row in after:
        if row.id in new and row.ordering_key:
            assert row.id == min(other.id for other in before if _waits_with(other, row.ordering_key))


def _waits_with(row: JobRow, key: str) -> bool:
    return row.stage == Stage.SCHEDULED and row.ordering_key == key
