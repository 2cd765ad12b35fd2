"""What attempts came to, by queue and kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from gosynq_client.worker.outcomes import Failed, Succeeded
from gosynq_server.telemetry.tally import Names, Spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from gosynq_client.worker.observing import AttemptEnded

_MOST_KINDS = 200
_MOST_QUEUES = 200
_MOST_PAIRS = 1000
_PROCESSING_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_WAIT_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 300, 3600)
_LABELS = ("queue", "kind")


class _Tally:
    """The counts of one pair of queue and kind."""

    __slots__ = ("failed", "processed", "processing", "retried", "succeeded", "waiting")

    def __init__(self, waiting: Spread) -> None:
        self.processed = self.succeeded = self.failed = self.retried = 0
        self.processing = Spread(_PROCESSING_BOUNDS)
        self.waiting = waiting


class AttemptCollector(Collector):
    """Counts attempts at the price of a few additions each, and gives Prometheus their families."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._waits: dict[str, Spread] = {}
        self._kinds = Names(_MOST_KINDS)
        self._queues = Names(_MOST_QUEUES)

    def ended(self, ended: AttemptEnded) -> None:
        """Count an attempt; one whose lease was lost came to nothing, and was processed all the same."""
        lease, outcome = ended.lease, ended.outcome
        tally = self._tallies.get((lease.queue, lease.kind)) or self._tally(lease.queue, lease.kind)
        tally.processed += 1
        if isinstance(outcome, Succeeded):
            tally.succeeded += 1
        elif isinstance(outcome, Failed):
            tally.failed += 1
        if lease.attempt > 1:
            tally.retried += 1
        tally.processing.observe(ended.duration.total_seconds())
        tally.waiting.observe(ended.waited.total_seconds())

    def collect(self) -> Iterator[Metric]:
        """Give the families as they are now."""
        yield from self._counters()
        yield self._processing()
        waiting = HistogramMetricFamily(
            "gosynq_job_wait_seconds", "From when a job was due to the start of its attempt.", labels=("queue",)
        )
        for queue, spread in self._waits.items():
            waiting.add_metric((queue,), buckets=spread.buckets(), sum_value=spread.sum)
        yield waiting

    def _counters(self) -> Iterator[Metric]:
        for name, meaning in (
            ("processed", "Attempts that ended."),
            ("succeeded", "Attempts that succeeded."),
            ("failed", "Attempts that failed, whether or not they are tried again."),
            ("retried", "Attempts that ended and were not their job's first."),
        ):
            family = CounterMetricFamily(f"gosynq_jobs_{name}", meaning, labels=_LABELS)
            for pair, tally in self._tallies.items():
                family.add_metric(pair, getattr(tally, name))
            yield family

    def _processing(self) -> Metric:
        family = HistogramMetricFamily("gosynq_job_processing_time_seconds", "How long attempts took.", labels=_LABELS)
        for pair, tally in self._tallies.items():
            family.add_metric(pair, buckets=tally.processing.buckets(), sum_value=tally.processing.sum)
        return family

    def _tally(self, queue: str, kind: str) -> _Tally:
        pair = (self._queues.bounded(queue), self._kinds.bounded(kind))
        if pair not in self._tallies and len(self._tallies) >= _MOST_PAIRS:
            pair = ("other", "other")
        if pair not in self._tallies:
            waiting = self._waits.setdefault(pair[0], Spread(_WAIT_BOUNDS))
            self._tallies[pair] = _Tally(waiting)
        return self._tallies[pair]
