"""The judge of a run: holds the recorded history and the tables against the invariants; pure.

The invariants are those of the design. I7 and I9 are judged in limits.py, I12 is no matter of histories.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import combinations, pairwise

from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lifecycle import TERMINAL, EventType, may_follow
from tests.fault.history import HandlerLine, History, Run, Step, Verb
from tests.fault.tables import AttemptRow, EventRow, JobRow, Tables

_ENDS = frozenset({EventType.SUCCEEDED, EventType.CANCELLED, EventType.DEAD_LETTERED})
_LEASE_EXPIRED = "lease_expired"
# An event's time is that of its statement's begin, which may wait for a row that another changes meanwhile.
_LONGEST_WAIT = timedelta(seconds=1)


class Invariant(StrEnum):
    """What is held; the value is its number in the design."""

    ACKNOWLEDGED_ENDS = "I1"
    KEY_NAMES_ONE_JOB = "I2"
    LEASE_FENCES = "I3"
    ONE_VALID_LEASE = "I4"
    STALE_RESULT_REFUSED = "I5"
    LIMITS = "I6"
    PAUSE_HOLDS = "I7"
    CANCELLED_STAYS = "I8"
    QUEUE_LIMITS = "I9"
    EVENTS_TELL_ALL = "I10"
    METRICS_EQUAL = "I11"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken invariant: of which job, or key, and how."""

    invariant: Invariant
    of: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the server was told for jobs that do not say their own."""

    max_retries: int
    max_deliveries: int
    lease_duration: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """All that is known of one job: runs by their start, events by revision, bad attempts by lease."""

    row: JobRow
    runs: Sequence[Run] = ()
    events: Sequence[EventRow] = ()
    attempts: Mapping[int, AttemptRow] = field(default_factory=dict)

    def lease_begin(self, lease_seq: int) -> EventRow | None:
        """Find the event by which a lease was granted."""
        grants = [event for event in self.events if event.type is EventType.STARTED]
        return grants[lease_seq - 1] if lease_seq <= len(grants) else None

    def lease_end(self, lease_seq: int) -> EventRow | None:
        """Find the event by which a lease ended."""
        leases = 0
        for event in self.events:
            leases += event.type is EventType.STARTED
            if leases == lease_seq and event.status is not JobStatus.PROCESSING:
                return event
        return None


def check(history: History, tables: Tables, limits: Limits) -> list[Violation]:
    """Hold a drained run against the invariants; nothing found is an empty list."""
    jobs = _jobs(history, tables)
    found = [*_check_keys(history, tables), *_check_cancels(history, jobs), *_check_strays(history, tables, jobs)]
    found += _check_counts(tables)
    for job in jobs.values():
        found += [
            Violation(invariant=invariant, of=job.row.id, what=what)
            for invariant, what in (
                *_check_end(job),
                *_check_leases(job),
                *_check_overlaps(job, limits),
                *_check_limits(job, limits),
                *_check_events(job),
            )
        ]
    return found


def _check_counts(tables: Tables) -> Iterator[Violation]:
    if tables.counts is None:
        return
    for status in JobStatus:
        stored, told = sum(job.status is status for job in tables.jobs), tables.counts.get(status, 0)
        if stored != told:
            what = f"{told} jobs are told to be {status}, {stored} are"
            yield Violation(invariant=Invariant.METRICS_EQUAL, of="", what=what)


def late_runs(history: History, tables: Tables) -> list[Run]:
    """Find the runs that began after their lease's end: allowed, as no worker can exclude them, and a waste."""
    late = []
    for job in _jobs(history, tables).values():
        ends = [(run, job.lease_end(run.start.lease_seq)) for run in job.runs]
        late += [run for run, end in ends if end is not None and end.occurred_at < _moment(run.start.wall)]
    return late


def check_metrics(metrics: Mapping[str, float], history: History, tables: Tables) -> list[Violation]:
    """Hold the counters of the one process that ran all handlers against what they did."""
    runs = history.runs()
    good = sum(run.end is not None and run.end.outcome == "ok" for run in runs)
    completed = sum(job.status is JobStatus.COMPLETED for job in tables.jobs)
    processed, succeeded = metrics["gosynq_jobs_processed_total"], metrics["gosynq_jobs_succeeded_total"]
    told = (
        (processed == len(runs), f"{processed:g} attempts were counted, {len(runs)} ran"),
        (
            completed <= succeeded <= good,
            f"{succeeded:g} good ones were counted, {good} ran, {completed} are completed",
        ),
        (metrics["gosynq_active_workers"] == 0, "attempts are counted as running that do not run"),
    )
    return [Violation(invariant=Invariant.METRICS_EQUAL, of="", what=what) for holds, what in told if not holds]


def _jobs(history: History, tables: Tables) -> dict[str, _Job]:
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    for run in sorted(history.runs(), key=lambda run: run.start.at):
        runs[run.start.job_id].append(run)
    events: defaultdict[str, list[EventRow]] = defaultdict(list)
    for event in sorted(tables.events, key=lambda event: event.revision):
        events[event.job_id].append(event)
    attempts: defaultdict[str, dict[int, AttemptRow]] = defaultdict(dict)
    for attempt in tables.attempts:
        attempts[attempt.job_id][attempt.lease_seq] = attempt
    return {
        row.id: _Job(row=row, runs=runs[row.id], events=events[row.id], attempts=attempts[row.id])
        for row in tables.jobs
    }


def _check_keys(history: History, tables: Tables) -> Iterator[Violation]:
    rows = {row.id: row for row in tables.jobs}
    named: defaultdict[str, set[str]] = defaultdict(set)
    for line in history.client:
        if line.verb is Verb.ENQUEUE and line.step is Step.OK:
            named[line.key].add(line.job_id)
            if line.job_id not in rows or rows[line.job_id].status not in TERMINAL:
                state = rows[line.job_id].status if line.job_id in rows else "lost"
                yield Violation(invariant=Invariant.ACKNOWLEDGED_ENDS, of=line.job_id, what=f"it is {state}")
    for row in tables.jobs:
        named[row.key].add(row.id)
    for key, ids in named.items():
        if len(ids) > 1:
            yield Violation(invariant=Invariant.KEY_NAMES_ONE_JOB, of=key, what=f"it names {sorted(ids)}")


def _check_strays(history: History, tables: Tables, jobs: Mapping[str, _Job]) -> Iterator[Violation]:
    """Find what belongs to no job, and jobs that nobody asked for."""
    asked = {line.key for line in history.client if line.step is Step.INVOKE and line.verb is Verb.ENQUEUE}
    refused = _refused_for_good(history)
    for row in tables.jobs:
        if row.key not in asked or row.key in refused:
            yield Violation(invariant=Invariant.KEY_NAMES_ONE_JOB, of=row.id, what="nobody was told to make it")
    for job_id in {event.job_id for event in tables.events} - jobs.keys():
        yield Violation(invariant=Invariant.EVENTS_TELL_ALL, of=job_id, what="there are events of it, but no job")
    for job_id in {line.job_id for line in history.handlers} - jobs.keys():
        yield Violation(invariant=Invariant.LEASE_FENCES, of=job_id, what="it was run, but is no job")


def _refused_for_good(history: History) -> set[str]:
    """Return the keys whose every call was refused, so that nothing may have come of them."""
    steps: defaultdict[str, set[Step]] = defaultdict(set)
    for line in history.client:
        if line.verb is Verb.ENQUEUE:
            steps[line.key].add(line.step)
    return {key for key, taken in steps.items() if taken == {Step.INVOKE, Step.FAIL}}


def _check_cancels(history: History, jobs: Mapping[str, _Job]) -> Iterator[Violation]:
    for line in history.client:
        if line.verb is not Verb.CANCEL or line.step is not Step.OK or line.told != JobStatus.CANCELLED:
            continue
        job = jobs.get(line.job_id)
        if job is None or job.row.status is not JobStatus.CANCELLED:
            what = f"its cancel was acknowledged, and it is {job.row.status if job else 'lost'}"
            yield Violation(invariant=Invariant.CANCELLED_STAYS, of=line.job_id, what=what)


_Found = Iterable[tuple[Invariant, str]]


def _check_end(job: _Job) -> _Found:
    ends = [event for event in job.events if event.type in _ENDS]
    expected = int(job.row.status in TERMINAL)
    if len(ends) != expected:
        yield Invariant.LEASE_FENCES, f"it is {job.row.status} and ended {len(ends)} times"
    if job.row.status is not JobStatus.COMPLETED:
        return
    last = [run.end for run in job.runs if run.start.lease_seq == job.row.lease_seq and run.end is not None]
    if not any(end.outcome == "ok" and _is_before(end, job.row.finished_at) for end in last):
        yield Invariant.STALE_RESULT_REFUSED, f"it is completed, but not by its last lease {job.row.lease_seq}"


def _check_leases(job: _Job) -> _Found:
    order = [run.start.lease_seq for run in job.runs]
    if len(set(order)) < len(order):
        yield Invariant.LEASE_FENCES, f"one of its leases {order} was run twice"
    for run in job.runs:
        begin = job.lease_begin(run.start.lease_seq)
        if begin is not None and begin.occurred_at > _moment(run.start.wall):
            yield Invariant.LEASE_FENCES, f"lease {run.start.lease_seq} was run before it was granted"
    granted = sum(event.type is EventType.STARTED for event in job.events)
    if granted != job.row.lease_seq or max(order, default=0) > granted:
        yield Invariant.LEASE_FENCES, f"{granted} leases of it were told of, its last is {job.row.lease_seq}"


def _check_overlaps(job: _Job, limits: Limits) -> _Found:
    for earlier, later in combinations(job.runs, 2):
        if later.start.at >= earlier.ended_at:
            continue
        # A worker that is paused just before it begins runs its lease after a newer one: in vain, and to no harm.
        first, second = sorted((earlier.start.lease_seq, later.start.lease_seq))
        end = job.lease_end(first)
        if end is None or end.occurred_at > _moment(later.start.wall):
            yield Invariant.ONE_VALID_LEASE, f"lease {second} ran inside lease {first}"
    shortest = job.row.lease_duration or limits.lease_duration
    if job.row.attempt_timeout is not None:
        shortest = min(shortest, job.row.attempt_timeout)
    for attempt in job.attempts.values():
        if attempt.outcome == _LEASE_EXPIRED and attempt.finished_at - attempt.started_at < shortest:
            yield Invariant.ONE_VALID_LEASE, f"lease {attempt.lease_seq} was taken back before its end"


def _check_limits(job: _Job, limits: Limits) -> _Found:
    row = job.row
    max_retries = limits.max_retries if row.max_retries is None else row.max_retries
    max_deliveries = limits.max_deliveries if row.max_deliveries is None else row.max_deliveries
    if row.failures > max_retries + 1:
        yield Invariant.LIMITS, f"it failed {row.failures} times with {max_retries} retries"
    if row.deliveries > max_deliveries:
        yield Invariant.LIMITS, f"it was delivered {row.deliveries} times, {max_deliveries} at most"
    if row.status is JobStatus.FAILED and row.failures <= max_retries and row.deliveries < max_deliveries:
        yield Invariant.LIMITS, f"it was given up after {row.failures} failures and {row.deliveries} deliveries"
    uncounted = sum(
        event.type is EventType.REQUEUED and before.status is JobStatus.PROCESSING
        for before, event in pairwise(job.events)
    )
    if row.failures + row.deliveries + uncounted != row.lease_seq:
        counted = f"{row.failures} failures, {row.deliveries} deliveries and {uncounted} uncounted ones"
        yield Invariant.LIMITS, f"its {row.lease_seq} leases are accounted for as {counted}"


def _check_events(job: _Job) -> _Found:
    revisions = [event.revision for event in job.events]
    if revisions != list(range(1, job.row.revision + 1)):
        again = [revision for revision, count in Counter(revisions).items() if count > 1]
        yield Invariant.EVENTS_TELL_ALL, f"revisions {revisions} of {job.row.revision}, twice: {again}"
    status: JobStatus | None = None
    for event in job.events:
        if not may_follow(status, event.type, event.status):
            yield Invariant.EVENTS_TELL_ALL, f"it went from {status} to {event.status} by {event.type}"
        status = event.status
    if status is not job.row.status:
        yield Invariant.EVENTS_TELL_ALL, f"it is {job.row.status}, and {status} by its events"
    if any(later.occurred_at < earlier.occurred_at - _LONGEST_WAIT for earlier, later in pairwise(job.events)):
        times = [f"{event.type} {event.occurred_at.time()}" for event in job.events]
        yield Invariant.EVENTS_TELL_ALL, f"its events run backwards in time: {times}"


def _is_before(end: HandlerLine, finished_at: datetime | None) -> bool:
    """Say whether a handler had ended when its job was; a result that came earlier was another's."""
    return finished_at is not None and _moment(end.wall) <= finished_at


def _moment(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC)
