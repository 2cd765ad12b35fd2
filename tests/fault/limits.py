"""The judge of queues' limits and pauses (I7, I9): holds what was seen and leased against what was allowed; pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lifecycle import EventType
from tests.fault.checker import Invariant, Violation
from tests.fault.history import History
from tests.fault.tables import EventRow, Tables

# A lease's time is that of its statement's begin, which may wait for an update of the queue and go by what that says.
_LONGEST_WAIT = timedelta(seconds=1)
# The moment of the next lease is kept in microseconds: so much of a second each lease may come too early.
_ROUNDING = 1e-6


class Noun(StrEnum):
    """What is limited."""

    CONCURRENCY = "running"
    CONCURRENCY_PER_KEY = "running per concurrency key"
    ORDERING = "running per ordering key"
    PENDING = "pending"
    PAUSE = "leased while paused"
    RATE = "leased per second"
    ORDER = "in order of ids"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A queue in one snapshot of the database: its limits, and what is in it.

    waiting counts all pending jobs, fresh those that were never leased: only they were let in by the limit, the others
    came back. begun counts the running jobs that were leased since the queue's state changed.
    """

    queue: str
    version: int = 1
    changed_at: datetime
    max_concurrency: int | None = None
    max_concurrency_per_key: int | None = None
    max_leases_per_second: float | None = None
    lease_burst: int | None = None
    max_pending: int | None = None
    waiting: int = 0
    fresh: int = 0
    running: int = 0
    concurrency_keys: Sequence[str] = ()
    ordering_keys: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A queue between the return of PauseQueue and the call of ResumeQueue.

    started counts the leases that were granted in between, by what was committed at both moments: a lease's own time
    is that of its statement's begin, which may lie before the pause while it is granted in it.
    """

    queue: str
    waiting: int
    started: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease by its job's events; end is None where it has none."""

    queue: str
    ordering_key: str | None
    job_id: str
    lease_seq: int
    begin: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class _Count:
    noun: Noun
    key: str
    count: int
    limit: int | None


@dataclass(slots=True)
class LimitJudge:
    """Sees one snapshot after another, and what of them is over a limit.

    A limit that was lowered is not held until it is reached once; until then nothing is added. settings are the
    looks at which each version of a queue was first seen, reached how often a count was at its limit.
    """

    found: list[Violation] = field(default_factory=list)
    settings: defaultdict[str, list[Look]] = field(default_factory=lambda: defaultdict(list))
    reached: Counter[tuple[str, Noun]] = field(default_factory=Counter)
    lowered: Counter[tuple[str, Noun]] = field(default_factory=Counter)
    looks: int = 0
    _last: dict[str, Look] = field(default_factory=dict)

    def see(self, looks: Mapping[str, Look]) -> None:
        """Take in all queues as of one moment, later than those before."""
        self.looks += 1
        for queue, look in looks.items():
            before = self._last.get(queue, look)
            if not self.settings[queue] or before.version != look.version:
                self.settings[queue].append(look)
            self._see(look, before)
        self._last.update(looks)

    def _see(self, look: Look, before: Look) -> None:
        earlier = {(count.noun, count.key): count for count in _counts(before)}
        for now in _counts(look):
            if now.limit is None:
                continue
            then = earlier.get((now.noun, now.key), _Count(now.noun, now.key, 0, _limit_per_key(before, now.noun)))
            is_changed = before.version != look.version
            most = _most(now, then, is_changed=is_changed)
            self.reached[look.queue, now.noun] += now.count == now.limit
            self.lowered[look.queue, now.noun] += now.limit < now.count <= most
            if now.count > most:
                told = f"{now.noun}: {now.count} of {now.key!r} at version {look.version}, {now.limit} at most"
                self.found.append(Violation(invariant=Invariant.QUEUE_LIMITS, of=look.queue, what=told))


def check_rates(leases: Sequence[Lease], settings: Mapping[str, Sequence[Look]]) -> list[Violation]:
    """Hold all leases against the rates: in any span there are at most the burst, and the rate times the span."""
    return [
        Violation(
            invariant=Invariant.QUEUE_LIMITS,
            of=queue,
            what=f"{Noun.RATE}: {level:.3f} leases at once at version {look.version}, {_burst(look)} at most",
        )
        for queue, looks in settings.items()
        for look, level, slack in levels(leases, looks)
        if level > _burst(look) + slack
    ]


def levels(leases: Sequence[Lease], looks: Sequence[Look]) -> Iterator[tuple[Look, float, float]]:
    """Give for each rate of a queue how many more leases than it allows any span had at most, and the rounding."""
    for look, after in zip(looks, [*looks[1:], None], strict=True):
        rate = look.max_leases_per_second
        if rate is None:
            continue
        until = after.changed_at - _LONGEST_WAIT if after else datetime.max.replace(tzinfo=UTC)
        begins = sorted(
            lease.begin for lease in leases if lease.queue == look.queue and look.changed_at <= lease.begin < until
        )
        yield look, _fullest(begins, rate), len(begins) * rate * _ROUNDING


def check_order(leases: Sequence[Lease], history: History) -> list[Violation]:
    """Hold the leases of each ordering key against its order: jobs by their ids, each begun when the last has ended."""
    runs = {(run.start.job_id, run.start.lease_seq): run.start.wall for run in history.runs()}
    lines: defaultdict[tuple[str, str], list[Lease]] = defaultdict(list)
    for lease in sorted(leases, key=lambda lease: lease.begin):
        if lease.ordering_key is not None:
            lines[lease.queue, lease.ordering_key].append(lease)
    told: list[tuple[str, str]] = []
    for (queue, _), line in lines.items():
        for before, lease in pairwise(line):
            if lease.job_id < before.job_id:
                told.append((queue, f"{Noun.ORDER}: {lease.job_id} was leased after {before.job_id}"))
            begun = runs.get((lease.job_id, lease.lease_seq))
            if begun is not None and (before.end is None or before.end > datetime.fromtimestamp(begun, UTC)):
                told.append((queue, f"{Noun.ORDERING}: {lease.job_id} ran before the lease of {before.job_id} ended"))
    return [Violation(invariant=Invariant.QUEUE_LIMITS, of=queue, what=what) for queue, what in told]


def check_pauses(pauses: Sequence[Pause]) -> list[Violation]:
    """Hold the pauses against the leases that were granted in them."""
    return [
        Violation(invariant=Invariant.PAUSE_HOLDS, of=pause.queue, what=f"{Noun.PAUSE}: {pause.started} leases")
        for pause in pauses
        if pause.started
    ]


def leases_of(tables: Tables) -> list[Lease]:
    """Read the leases out of the jobs' events."""
    events: defaultdict[str, list[EventRow]] = defaultdict(list)
    for event in tables.events:
        events[event.job_id].append(event)
    return [
        Lease(
            queue=job.queue,
            ordering_key=job.ordering_key,
            job_id=job.id,
            lease_seq=number,
            begin=begin,
            end=end,
        )
        for job in tables.jobs
        for number, (begin, end) in enumerate(_spans(events[job.id]), start=1)
    ]


def _spans(events: Sequence[EventRow]) -> Iterator[tuple[datetime, datetime | None]]:
    """Give the begin and end of each lease of one job."""
    places = [place for place, event in enumerate(events) if event.type is EventType.STARTED]
    for place in places:
        ends = (event.occurred_at for event in events[place:] if event.status is not JobStatus.PROCESSING)
        yield events[place].occurred_at, next(ends, None)


def _counts(look: Look) -> Iterator[_Count]:
    yield _Count(Noun.CONCURRENCY, "", look.running, look.max_concurrency)
    yield _Count(Noun.PENDING, "", look.fresh, look.max_pending)
    for key, count in Counter(look.concurrency_keys).items():
        yield _Count(Noun.CONCURRENCY_PER_KEY, key, count, look.max_concurrency_per_key)
    for key, count in Counter(look.ordering_keys).items():
        yield _Count(Noun.ORDERING, key, count, 1)


def _limit_per_key(look: Look, noun: Noun) -> int | None:
    """Say what the limit of a key was of which nothing ran."""
    return 1 if noun is Noun.ORDERING else look.max_concurrency_per_key


def _most(now: _Count, then: _Count, *, is_changed: bool) -> float:
    """Say how many there may be now: over the limit none comes in addition; the old one may have been used up first."""
    assert now.limit is not None
    before = (math.inf if then.limit is None else then.limit) if is_changed else now.limit
    return max(now.limit, then.count, before)


def _fullest(begins: Sequence[datetime], rate: float) -> float:
    level = fullest = 0.0
    for before, begin in pairwise([*begins[:1], *begins]):
        level = max(level - rate * (begin - before).total_seconds(), 0.0) + 1
        fullest = max(fullest, level)
    return fullest


def _burst(look: Look) -> int:
    assert look.max_leases_per_second is not None
    return look.lease_burst or math.ceil(look.max_leases_per_second)
