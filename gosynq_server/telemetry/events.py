"""How events flow: read from the database, sent to watchers, and how late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from gosynq_server.telemetry.tally import Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta

    from prometheus_client import Metric

_LAG_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class EventCollector(Collector):
    """Counts events in and out at the price of an addition each."""

    def __init__(self) -> None:
        self._read = self._sent = self._slow_consumers = 0
        self._lag = Spread(_LAG_BOUNDS)
        self._watchers: Callable[[], int] = int
        self._furthest_behind: Callable[[], timedelta] | None = None

    def read(self, count: int, age: timedelta) -> None:
        """Count events that were read together, the last of which happened so long ago."""
        self._read += count
        self._lag.observe(age.total_seconds())

    def sent(self, count: int) -> None:
        """Count events that a watcher took."""
        self._sent += count

    def slow_consumer(self) -> None:
        """Count a watcher that was sent away."""
        self._slow_consumers += 1

    def watch_by(self, watchers: Callable[[], int], furthest_behind: Callable[[], timedelta]) -> None:
        """Have the watchers counted, and the one that is furthest behind measured, whenever Prometheus asks."""
        self._watchers, self._furthest_behind = watchers, furthest_behind

    def collect(self) -> Iterator[Metric]:
        """Give the families as they are now."""
        yield GaugeMetricFamily("gosynq_watchers", "Watches that are open here.", value=self._watchers())
        behind = self._furthest_behind().total_seconds() if self._furthest_behind else 0.0
        meaning = "How far the watch that is furthest behind is."
        yield GaugeMetricFamily("gosynq_watch_furthest_behind_seconds", meaning, value=behind)
        for name, meaning, value in (
            ("events_read", "Events read for watches and waits.", self._read),
            ("events_sent", "Events that watches took.", self._sent),
            ("slow_consumers", "Watches that were ended as nothing was taken from them.", self._slow_consumers),
        ):
            yield CounterMetricFamily(f"gosynq_{name}", meaning, value=value)
        lag = HistogramMetricFamily("gosynq_event_lag_seconds", "From what happened to its being read, by readings.")
        lag.add_metric((), buckets=self._lag.buckets(), sum_value=self._lag.sum)
        yield lag
