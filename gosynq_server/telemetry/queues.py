"""How full the queues were when they were last looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from prometheus_client import Metric

_MOST_QUEUES = 1000


class QueueCollector(Collector):
    """Keeps the last sample of each queue; queues beyond the thousandth are not told apart, and so not told at all."""

    def __init__(self) -> None:
        self._samples: dict[str, tuple[int, float]] = {}

    def sampled(self, queue: str, length: int, oldest_age: timedelta | None) -> None:
        """Keep how many jobs wait in a queue, and how long the oldest of them has been due (None: there is none)."""
        if queue in self._samples or len(self._samples) < _MOST_QUEUES:
            self._samples[queue] = (length, oldest_age.total_seconds() if oldest_age else 0.0)

    def collect(self) -> Iterator[Metric]:
        """Give the families as they are now."""
        lengths = GaugeMetricFamily("gosynq_queue_length", "Jobs that are due and wait.", labels=("queue",))
        ages = GaugeMetricFamily(
            "gosynq_oldest_ready_job_age_seconds", "How long the oldest waiting job has been due.", labels=("queue",)
        )
        for queue, (length, age) in self._samples.items():
            lengths.add_metric((queue,), length)
            ages.add_metric((queue,), age)
        yield from (lengths, ages)
