"""What the demonstration came to: figures, and every job that did not end as planned."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_client import JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gosynq_client import Job
    from gosynq_server.demo.plan import PlannedJob


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCounts:
    """How the jobs of one kind stand; retries are attempts beyond the first of each."""

    kind: str
    jobs: int
    pending: int
    processing: int
    completed: int
    failed: int
    cancelled: int
    retries: int

    @property
    def done(self) -> int:
        """How many are over."""
        return self.completed + self.failed + self.cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Half of the cases took no longer than p50, and 99 of 100 no longer than p99."""

    p50: timedelta
    p99: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures. Rate and wait are of the jobs that run once, and at once; alone is of jobs run one at a time."""

    jobs: int
    seconds: float
    jobs_per_second: float
    wait: Latency
    alone: Latency
    retries: int
    kinds: tuple[KindCounts, ...]
    surprises: tuple[str, ...]


def count_kinds(jobs: Sequence[Job]) -> tuple[KindCounts, ...]:
    """Count jobs by kind and status."""
    statuses = Counter((job.kind, job.status) for job in jobs)
    retries: Counter[str] = Counter()
    for job in jobs:
        retries[job.kind] += max(job.attempt - 1, 0)
    return tuple(
        KindCounts(
            kind=kind,
            jobs=sum(statuses[kind, status] for status in JobStatus),
            pending=statuses[kind, JobStatus.PENDING],
            processing=statuses[kind, JobStatus.PROCESSING],
            completed=statuses[kind, JobStatus.COMPLETED],
            failed=statuses[kind, JobStatus.FAILED],
            cancelled=statuses[kind, JobStatus.CANCELLED],
            retries=retries[kind],
        )
        for kind in sorted({job.kind for job in jobs})
    )


def summarize(planned: Mapping[str, PlannedJob], jobs: Sequence[Job], alone: Sequence[timedelta]) -> Summary:
    """Compare jobs that are over with what was planned for their ids; alone are times of jobs run one at a time."""
    direct = [job for job in jobs if planned[job.id].direct]
    kinds = count_kinds(jobs)
    return Summary(
        jobs=len(jobs),
        seconds=_span(jobs),
        jobs_per_second=len(direct) / max(_span(direct), 0.001),
        wait=latency([job.started_at - job.created_at for job in direct if job.started_at]),
        alone=latency(alone),
        retries=sum(counts.retries for counts in kinds),
        kinds=kinds,
        surprises=surprises(planned, jobs),
    )


def surprises(planned: Mapping[str, PlannedJob], jobs: Sequence[Job]) -> tuple[str, ...]:
    """Tell of every job that is missing, or ended otherwise or after another number of attempts than planned."""
    found = {job.id: job for job in jobs}
    return tuple(line for job_id, plan in planned.items() if (line := _surprise(job_id, plan, found.get(job_id))))


def latency(times: Sequence[timedelta]) -> Latency:
    """Give the percentiles (nearest rank); zero where there is nothing."""
    ordered = sorted(times) or [timedelta()]
    return Latency(p50=_percentile(ordered, 50), p99=_percentile(ordered, 99))


def _percentile(ordered: Sequence[timedelta], percent: int) -> timedelta:
    return ordered[-(-len(ordered) * percent // 100) - 1]


def _span(jobs: Sequence[Job]) -> float:
    """Give the seconds from the first enqueue to the last end."""
    ends = [job.finished_at for job in jobs if job.finished_at]
    return (max(ends) - min(job.created_at for job in jobs)).total_seconds() if ends else 0.0


def _surprise(job_id: str, plan: PlannedJob, job: Job | None) -> str:
    if job is None:
        return f"{plan.request.kind} {job_id} is gone"
    if (job.status, job.attempt) == (plan.end, plan.attempts):
        return ""
    error = f" ({job.last_error.type}: {job.last_error.message})" if job.last_error else ""
    was = f"{job.status} after {job.attempt} attempts{error}"
    return f"{plan.request.kind} {job_id} ended {was}, not {plan.end} after {plan.attempts}"
