"""Where the pool's leases come from: straight from the service, for every queue that has jobs for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq_client.worker.leases import Exchange, Extension, LeaseState, Refusal, Result
from gosynq_client.worker.source import SourceUnavailable
from gosynq_server.domain.errors import GosynqError
from gosynq_server.service.leases import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from gosynq_client.worker.leases import Lease, ProgressReport
    from gosynq_server.service.leases import Exchanged, Leases
    from gosynq_server.service.taking import Taker
    from gosynq_server.store.leases import Extended


class LocalLeaseSource:
    """A source of leases inside the server: what cannot be reached is SourceUnavailable."""

    def __init__(self, leases: Leases, taker: Taker) -> None:
        self._leases = leases
        self._taker = taker

    async def exchange(self, results: Sequence[Result], wanted: int) -> Exchange:
        """Settle results and lease up to wanted jobs."""
        try:
            return exchange_of(await self._taker.exchange(results, wanted), results)
        except GosynqError as error:
            raise SourceUnavailable from error

    async def extend(self, leases: Sequence[Lease]) -> Sequence[Extension]:
        """Extend leases."""
        try:
            extended = await self._leases.extend(leases)
        except GosynqError as error:
            raise SourceUnavailable from error
        return [_extension(lease, extended.get(key_of(lease))) for lease in leases]

    async def report_progress(self, reports: Sequence[ProgressReport]) -> None:
        """Keep progress."""
        try:
            await self._leases.report_progress(reports)
        except GosynqError as error:
            raise SourceUnavailable from error

    async def wait(self, timeout: timedelta) -> None:  # noqa: ASYNC109 - being over is no error
        """Wait for a wake-up, or not at all where a queue may have more; without one look at every queue."""
        if self._taker.is_promising or await self._taker.woken.wait(timeout.total_seconds()):
            return
        try:
            await self._taker.look()
        except GosynqError as error:
            raise SourceUnavailable from error


def exchange_of(exchanged: Exchanged, results: Sequence[Result]) -> Exchange:
    """Return what an exchange came to as a worker is told."""
    refused, replaced = exchanged.refused, exchanged.replaced
    if not refused and not replaced:
        return Exchange(leases=exchanged.leases, refusals=[], replaced=[])
    keyed = [(key_of(result.lease), result.lease) for result in results]
    return Exchange(
        leases=exchanged.leases,
        refusals=[Refusal(lease=lease, reason=refused[key]) for key, lease in keyed if key in refused],
        replaced=[Result(lease=lease, outcome=replaced[key]) for key, lease in keyed if key in replaced],
    )


def _extension(lease: Lease, extended: Extended | None) -> Extension:
    if extended is None:
        return Extension(lease=lease, state=LeaseState.LOST)
    return Extension(
        lease=lease,
        state=LeaseState.ACTIVE,
        cancel_requested=extended.cancel_requested,
        cancel_reason=extended.cancel_reason,
    )
