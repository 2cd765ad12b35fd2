"""How full the queues were when they were last looked at."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import timedelta

    from prometheus_client import Metric

_MOST_QUEUES = 1000


class QueueCollector(Collector):
    """Keeps the last look at all queues; those beyond the thousandth are not told apart, and so not told at all."""

    def __init__(self) -> None:
        self._heads: dict[str, tuple[int, float]] = {}
        self._jobs: dict[str, Mapping[str, int]] = {}

    def sampled(self, heads: Mapping[str, tuple[int, timedelta | None]]) -> None:
        """Keep of each queue how many jobs wait, and how long the oldest has been due (None: there is none)."""
        self._heads = {
            queue: (length, oldest_age.total_seconds() if oldest_age else 0.0)
            for queue, (length, oldest_age) in islice(sorted(heads.items()), _MOST_QUEUES)
        }

    def counted(self, jobs: Mapping[str, Mapping[str, int]]) -> None:
        """Keep of each queue how many jobs it has, by status."""
        self._jobs = dict(islice(sorted(jobs.items()), _MOST_QUEUES))

    def collect(self) -> Iterator[Metric]:
        """Give the families as they are now."""
        lengths = GaugeMetricFamily("gosynq_queue_length", "Jobs that are due and wait.", labels=("queue",))
        ages = GaugeMetricFamily(
            "gosynq_oldest_ready_job_age_seconds", "How long the oldest waiting job has been due.", labels=("queue",)
        )
        stored = GaugeMetricFamily("gosynq_queue_jobs", "Jobs that are stored.", labels=("queue", "status"))
        for queue, (length, age) in self._heads.items():
            lengths.add_metric((queue,), length)
            ages.add_metric((queue,), age)
        for queue, counts in self._jobs.items():
            for status, count in counts.items():
                stored.add_metric((queue, status), count)
        yield from (lengths, ages, stored)
