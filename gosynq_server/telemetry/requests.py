"""What calls came to, by method and code."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from gosynq_server.telemetry.tally import Names, Spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

_MOST_METHODS = 200
_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class RequestCollector(Collector):
    """Counts calls and their durations.

    A method that is not served can be called by anyone under any name, so UNIMPLEMENTED ones that never gave another
    code count as "other".
    """

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str]] = Counter()
        self._durations: dict[str, Spread] = {}
        self._methods = Names(_MOST_METHODS)

    def ended(self, method: str, code: str, seconds: float) -> None:
        """Count a call: "gosynq.v1.JobService/GetJob", "NOT_FOUND", its duration."""
        method = method.lstrip("/")
        spread = self._durations.get(method)
        if spread is None:
            method = "other" if code == "UNIMPLEMENTED" else self._methods.bounded(method)
            spread = self._durations.setdefault(method, Spread(_BOUNDS))
        self._requests[method, code] += 1
        spread.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """Give the families as they are now."""
        requests = CounterMetricFamily("gosynq_rpc_requests", "Calls that ended.", labels=("method", "code"))
        for labels, count in self._requests.items():
            requests.add_metric(labels, count)
        yield requests
        durations = HistogramMetricFamily("gosynq_rpc_duration_seconds", "How long calls took.", labels=("method",))
        for method, spread in self._durations.items():
            durations.add_metric((method,), buckets=spread.buckets(), sum_value=spread.sum)
        yield durations
