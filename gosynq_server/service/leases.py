"""Leases: granted to workers, extended, ended by results, and taken back from workers that are gone."""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import orjson

from gosynq_client.worker.leases import Lease, RefusalReason
from gosynq_client.worker.outcomes import AttemptError, Failed, Succeeded
from gosynq_server.domain.job import JobId, JobStatus
from gosynq_server.domain.lease import Lost, judge
from gosynq_server.service.settling import Ending, Settler
from gosynq_server.store import leases
from gosynq_server.store.leases import Claim, Completion, LeaseKey, lease_key
from gosynq_server.store.records import storable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import timedelta

    from gosynq_client.worker.outcomes import Outcome
    from gosynq_server.domain.lease_names import LeaseName, Progress, Told
    from gosynq_server.domain.queue import Queue
    from gosynq_server.service.queues import Queues
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database
    from gosynq_server.store.leases import ExpiredLease, Extended, GoneLease

L = TypeVar("L", bound="LeaseName")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """What an exchange came to: the new leases, and of the offered results, by their leases, what became of them.

    statuses are those of the jobs whose results were applied, found those of the others, where there are such jobs;
    replaced is what was recorded in place of results that could not be applied as they were. again_in is set where the
    queue's rate was in the way: there may be more after so long.
    """

    leases: Sequence[Lease] = ()
    statuses: Mapping[LeaseKey, JobStatus] = field(default_factory=dict)
    refused: Mapping[LeaseKey, RefusalReason] = field(default_factory=dict)
    found: Mapping[LeaseKey, JobStatus] = field(default_factory=dict)
    replaced: Mapping[LeaseKey, Outcome] = field(default_factory=dict)
    again_in: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Who takes jobs, and which: of some kinds, or of all (None). lease_duration overrides that of the jobs."""

    worker_id: str
    kinds: Sequence[str] | None = None
    lease_duration: timedelta | None = None


class Leases:
    """Ends and grants leases, one queue at a time. window is how long an ended job stays at least.

    Leases go to the database in the order of their keys: heartbeats and results that meet take locks in one order.
    """

    def __init__(self, database: Database, queues: Queues, wakeups: Wakeups, *, window: timedelta) -> None:
        self._database = database
        self._queues = queues
        self._wakeups = wakeups
        self._window = window

    async def exchange(self, queue: str, results: Sequence[Told], taking: Taking, *, wanted: int) -> Exchanged:
        """Settle results of one queue and lease its next jobs; successes and new leases share one round trip.

        Of several results for one lease the first counts.
        """
        settings = await self._queues.get(queue)
        offered = _firsts(results)
        replaced = {key: made for key, told in offered.items() if (made := _instead(told, settings)) is not None}
        ended = offered | replaced
        good = {key: told for key, told in ended.items() if isinstance(told, Succeeded)}
        statuses = await self._settle(settings, {key: told for key, told in ended.items() if key not in good})
        missed, granted = set[LeaseKey](), list[Lease]()
        if good or wanted:
            completions = [_completion(key, told) for key, told in good.items()]
            missed, granted = await leases.exchange(self._database, settings, completions, self._claim(taking, wanted))
        statuses |= dict.fromkeys(good.keys() - missed, JobStatus.COMPLETED)
        self._tell(granted, good.keys() - missed)
        if statuses and settings.limits.max_concurrency is not None:
            self._wakeups.jobs_ready(queue)
        gone = await self._gone(queue, ended.keys() - statuses)
        return Exchanged(
            leases=granted,
            statuses=statuses,
            refused={key: _reason(lease.settled) for key, lease in gone.items()},
            found={key: lease.job_status for key, lease in gone.items() if lease.job_status is not None},
            replaced=replaced,
            again_in=settings.limits.lease_interval if len(granted) < wanted else None,
        )

    def _claim(self, taking: Taking, wanted: int) -> Claim:
        return Claim(
            worker_id=taking.worker_id,
            kinds=taking.kinds,
            wanted=wanted,
            window=self._window,
            lease_duration=taking.lease_duration,
        )

    def _tell(self, granted: Sequence[Lease], completed: Collection[LeaseKey]) -> None:
        if granted:
            self._wakeups.jobs_started()
        self._wakeups.jobs_finished([JobId(key[0]) for key in completed])

    async def extend(
        self, held: Sequence[LeaseName], *, lease_duration: timedelta | None = None
    ) -> dict[LeaseKey, Extended]:
        """Extend leases from now by their own duration or by another, one statement for each queue.

        What is lost is left out of what is returned.
        """
        extended: dict[LeaseKey, Extended] = {}
        for queue, group in _by_queue(sorted(held, key=key_of)).items():
            settings = await self._queues.get(queue)
            keys = [key_of(lease) for lease in group]
            extended |= await leases.extend(self._database, settings, keys, lease_duration=lease_duration)
        return extended

    async def report_progress(self, reports: Sequence[Progress]) -> dict[LeaseKey, bool]:
        """Keep the last progress of running jobs; say of the leases that hold whether a cancel was asked for."""
        groups: defaultdict[str, dict[LeaseKey, str]] = defaultdict(dict)
        for report in sorted(reports, key=lambda report: key_of(report.lease)):
            groups[report.lease.queue][key_of(report.lease)] = _progress_text(report)
        held: dict[LeaseKey, bool] = {}
        for queue, texts in groups.items():
            held |= await leases.keep_progress(self._database, queue, texts)
        return held

    async def rescue(self, *, limit: int) -> int:
        """Take back up to limit leases that have run out; return how many had."""
        expired = await leases.expired(self._database, limit=limit)
        groups: defaultdict[str, list[ExpiredLease]] = defaultdict(list)
        for lease in sorted(expired, key=lambda lease: lease.key):
            groups[lease.queue].append(lease)
        for queue, group in groups.items():
            await self._rescue_queue(await self._queues.get(queue), group)
        return len(expired)

    async def _rescue_queue(self, queue: Queue, group: Sequence[ExpiredLease]) -> None:
        endings = [_lost_ending(lease, queue) for lease in group]
        until = max(lease.seen_at for lease in group)
        settler = Settler(self._database, queue, self._wakeups, window=self._window, until=until)
        held = await settler.settle(endings)
        if held and queue.limits.max_concurrency is not None:
            self._wakeups.jobs_ready(queue.name)
        if held:
            _log.warning("leases ran out", extra={"queue": queue.name, "count": len(held)})

    async def _settle(self, queue: Queue, ended: Mapping[LeaseKey, Outcome]) -> dict[LeaseKey, JobStatus]:
        """Settle what did not end well; return where the jobs of the leases that held went."""
        if not ended:
            return {}
        facts = await leases.facts(self._database, queue.name, list(ended))
        endings = [
            Ending(
                key=key,
                outcome=outcome,
                verdict=judge(outcome, lease=facts[key], queue=queue, chance=random.random()),  # noqa: S311 - jitter is no secret
            )
            for key, outcome in ended.items()
            if key in facts
        ]
        return await Settler(self._database, queue, self._wakeups, window=self._window).settle(endings)

    async def _gone(self, queue: str, missed: Collection[LeaseKey]) -> dict[LeaseKey, GoneLease]:
        """Say how leases that could not be ended had ended."""
        return await leases.gone(self._database, queue, sorted(missed)) if missed else {}


def key_of(lease: LeaseName) -> LeaseKey:
    """Return the key of a lease."""
    return lease_key(lease.job_id, lease.lease_seq)


def _firsts(results: Iterable[Told]) -> dict[LeaseKey, Outcome]:
    """Return the first outcome that each lease was given, in the order of their keys."""
    firsts: dict[LeaseKey, Outcome] = {}
    for result in sorted(results, key=_by_key):
        firsts.setdefault(key_of(result.lease), result.outcome)
    return firsts


def _by_key(result: Told) -> LeaseKey:
    return key_of(result.lease)


def _reason(settled: bool) -> RefusalReason:  # noqa: FBT001 - the one thing that it depends on
    return RefusalReason.ALREADY_APPLIED if settled else RefusalReason.LEASE_LOST


def _by_queue(held: Iterable[L]) -> dict[str, list[L]]:
    groups: defaultdict[str, list[L]] = defaultdict(list)
    for lease in held:
        groups[lease.queue].append(lease)
    return groups


def _instead(outcome: Outcome, queue: Queue) -> Failed | None:
    """Make a failure of a success whose result is larger than the queue's payload limit."""
    limit = queue.defaults.max_payload_bytes
    if not isinstance(outcome, Succeeded) or len(outcome.result or b"") <= limit:
        return None
    message = f"the result has {len(outcome.result or b'')} bytes; the limit is {limit}"
    return Failed(error=AttemptError(type="ResultTooLarge", message=message, non_retryable=True))


def _completion(key: LeaseKey, outcome: Succeeded) -> Completion:
    content_type = outcome.content_type if outcome.result is not None else None
    return Completion(key=key, result=outcome.result, content_type=content_type)


def _lost_ending(lease: ExpiredLease, queue: Queue) -> Ending:
    outcome = Lost(timed_out=lease.timed_out)
    verdict = judge(outcome, lease=lease.facts, queue=queue, chance=random.random())  # noqa: S311 - jitter is no secret
    return Ending(key=lease.key, outcome=outcome, verdict=verdict)


def _progress_text(report: Progress) -> str:
    return orjson.dumps(
        {"current": report.current, "total": report.total, "message": storable(report.message)}
    ).decode()
