"""How a worker is to run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeOptions:
    """Settings of a WorkerRuntime; ValueError for what makes no sense.

    concurrency: handlers at work at once. prefetch_limit: leases held at most, those in excess of concurrency only
    while jobs are shorter than a round trip. poll_interval: the longest wait before asking for jobs again. grace: how
    long handlers may go on after a stop. settle_time: how long after the grace the stop may take at most. thread_grace:
    how long a plain function may go on in its thread, its lease kept, after a cancel or the end of its time; then its
    job is settled without it, and may run anew beside it.
    """

    concurrency: int = 10
    prefetch_limit: int = 500
    poll_interval: timedelta = timedelta(seconds=1)
    grace: timedelta = timedelta(seconds=25)
    settle_time: timedelta = timedelta(seconds=5)
    thread_grace: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ValueError("concurrency is at least 1")
        if self.prefetch_limit < 0:
            raise ValueError("prefetch_limit is not negative")
        if self.poll_interval <= timedelta(0):
            raise ValueError("poll_interval is above zero")
        if min(self.grace, self.settle_time, self.thread_grace) < timedelta(0):
            raise ValueError("grace, settle_time and thread_grace are not negative")
