"""Leases: granted to workers, extended, ended by results, and taken back from workers that are gone."""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from gosynq_client.worker.leases import Exchange, Extension, LeaseState, Refusal, RefusalReason, Result
from gosynq_client.worker.outcomes import AttemptError, Failed, Succeeded
from gosynq_server.domain.job import JobId
from gosynq_server.domain.lease import Lost, judge
from gosynq_server.service.settling import Ending, Settler
from gosynq_server.store import leases
from gosynq_server.store.leases import Claim, Completion, lease_key
from gosynq_server.store.records import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from gosynq_client.worker.leases import Lease, ProgressReport
    from gosynq_server.domain.queue import Queue
    from gosynq_server.service.queues import Queues
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database
    from gosynq_server.store.leases import ExpiredLease, LeaseKey

_log = logging.getLogger(__name__)


class Leases:
    """Ends and grants leases, one queue at a time. window is how long an ended job stays at least.

    Leases go to the database in the order of their keys: heartbeats and results that meet take locks in one order.
    """

    def __init__(self, database: Database, queues: Queues, wakeups: Wakeups, *, window: timedelta) -> None:
        self._database = database
        self._queues = queues
        self._wakeups = wakeups
        self._window = window

    async def exchange(
        self, queue: str, results: Sequence[Result], *, worker_id: str, kinds: Sequence[str], wanted: int
    ) -> Exchange:
        """Settle results of one queue and lease its next jobs; successes and new leases share one round trip."""
        settings = await self._queues.get(queue)
        offered = sorted(results, key=lambda result: _key(result.lease))
        checked = [_checked(result, settings) for result in offered]
        good = [result for result in checked if isinstance(result.outcome, Succeeded)]
        bad = [result for result in checked if not isinstance(result.outcome, Succeeded)]
        refusals = await self._settle(settings, bad)
        if not good and not wanted:
            return Exchange(refusals=refusals, replaced=_replaced(offered, checked))
        claim = Claim(worker_id=worker_id, kinds=kinds, wanted=wanted, window=self._window)
        missed, granted = await leases.exchange(
            self._database, settings, [_completion(result) for result in good], claim
        )
        if granted:
            self._wakeups.jobs_started()
        self._wakeups.jobs_finished([JobId(result.lease.job_id) for result in good if _key(result.lease) not in missed])
        refusals += await self._refusals(queue, [result.lease for result in good if _key(result.lease) in missed])
        return Exchange(leases=granted, refusals=refusals, replaced=_replaced(offered, checked))

    async def extend(self, held: Sequence[Lease]) -> list[Extension]:
        """Extend leases from now, one statement for each queue; a lost one is a value."""
        extensions: list[Extension] = []
        for queue, group in _by_queue(sorted(held, key=_key)).items():
            settings = await self._queues.get(queue)
            found = await leases.extend(self._database, settings, [_key(lease) for lease in group])
            extensions += [_extension(lease, found.get(_key(lease))) for lease in group]
        return extensions

    async def report_progress(self, reports: Sequence[ProgressReport]) -> None:
        """Keep the last progress of running jobs; what comes for a lost lease is dropped."""
        groups: defaultdict[str, list[ProgressReport]] = defaultdict(list)
        for report in sorted(reports, key=lambda report: _key(report.lease)):
            groups[report.lease.queue].append(report)
        for queue, group in groups.items():
            await leases.keep_progress(self._database, queue, group, [_progress_text(report) for report in group])

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
        if held:
            _log.warning("leases ran out", extra={"queue": queue.name, "count": len(held)})

    async def _settle(self, queue: Queue, results: Sequence[Result]) -> list[Refusal]:
        """Settle what did not end well; return what was refused."""
        if not results:
            return []
        facts = await leases.facts(self._database, queue.name, [_key(result.lease) for result in results])
        endings = [
            Ending(
                key=_key(result.lease),
                outcome=result.outcome,
                verdict=judge(result.outcome, lease=facts[_key(result.lease)], queue=queue, chance=random.random()),  # noqa: S311 - jitter is no secret
            )
            for result in results
            if _key(result.lease) in facts
        ]
        held = await Settler(self._database, queue, self._wakeups, window=self._window).settle(endings)
        return await self._refusals(queue.name, [result.lease for result in results if _key(result.lease) not in held])

    async def _refusals(self, queue: str, missed: Sequence[Lease]) -> list[Refusal]:
        """Say why leases could not be ended."""
        if not missed:
            return []
        settled = await leases.settled_among(self._database, queue, [_key(lease) for lease in missed])
        return [Refusal(lease=lease, reason=_reason(_key(lease) in settled)) for lease in missed]


def _reason(settled: bool) -> RefusalReason:  # noqa: FBT001 - the one thing that it depends on
    return RefusalReason.ALREADY_APPLIED if settled else RefusalReason.LEASE_LOST


def _key(lease: Lease) -> LeaseKey:
    return lease_key(lease.job_id, lease.lease_seq)


def _by_queue(held: Iterable[Lease]) -> dict[str, list[Lease]]:
    groups: defaultdict[str, list[Lease]] = defaultdict(list)
    for lease in held:
        groups[lease.queue].append(lease)
    return groups


def _checked(result: Result, queue: Queue) -> Result:
    """Make a failure of a success whose result is larger than the queue's payload limit."""
    outcome, limit = result.outcome, queue.defaults.max_payload_bytes
    if not isinstance(outcome, Succeeded) or len(outcome.result or b"") <= limit:
        return result
    message = f"the result has {len(outcome.result or b'')} bytes; the limit is {limit}"
    return replace(
        result, outcome=Failed(error=AttemptError(type="ResultTooLarge", message=message, non_retryable=True))
    )


def _replaced(offered: Iterable[Result], checked: Iterable[Result]) -> list[Result]:
    return [made for result, made in zip(offered, checked, strict=True) if made is not result]


def _completion(result: Result) -> Completion:
    outcome = result.outcome
    returned = outcome.result if isinstance(outcome, Succeeded) else None
    content_type = outcome.content_type if isinstance(outcome, Succeeded) and returned is not None else None
    return Completion(key=_key(result.lease), result=returned, content_type=content_type)


def _lost_ending(lease: ExpiredLease, queue: Queue) -> Ending:
    outcome = Lost(timed_out=lease.timed_out)
    verdict = judge(outcome, lease=lease.facts, queue=queue, chance=random.random())  # noqa: S311 - jitter is no secret
    return Ending(key=lease.key, outcome=outcome, verdict=verdict)


def _extension(lease: Lease, extended: leases.Extended | None) -> Extension:
    if extended is None:
        return Extension(lease=lease, state=LeaseState.LOST)
    return Extension(
        lease=lease,
        state=LeaseState.ACTIVE,
        cancel_requested=extended.cancel_requested,
        cancel_reason=extended.cancel_reason,
    )


def _progress_text(report: ProgressReport) -> str:
    return orjson.dumps(
        {"current": report.current, "total": report.total, "message": storable(report.message)}
    ).decode()
