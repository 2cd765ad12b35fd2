"""Where a worker's leases come from and where its results go: the seam between the runtime and a transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from gosynq_client.worker.leases import Exchange, Extension, Lease, ProgressReport, Result


class SourceUnavailable(Exception):
    """The source cannot be reached; nothing is known of what was asked, so it is to be asked again."""


class LeaseSource(Protocol):
    """The other side of a worker.

    Every call has its own limit of time, may raise SourceUnavailable, and may be cancelled at a stop. There is at most
    one call of each kind at a time.
    """

    async def exchange(self, results: Sequence[Result], wanted: int) -> Exchange:
        """Settle results and take up to wanted due jobs, in one round trip. Never waits for a job to become due.

        What a failed call leased all the same is given back by the next one, as far as the source knows of it. Leases
        that it had before the call are handed out with the moment from which on each has its duration.
        """
        ...

    async def extend(self, leases: Sequence[Lease]) -> Sequence[Extension]:
        """Extend every lease by its own duration, from now. A lease that is not in the answer is left as it was."""
        ...

    async def report_progress(self, reports: Sequence[ProgressReport]) -> None:
        """Record progress, at best effort; at most one report for each lease."""
        ...

    async def wait(self, timeout: timedelta) -> None:  # noqa: ASYNC109 -- the source may wait on its own far side
        """Return when there may be due jobs, at the latest after timeout. May return early for no reason."""
        ...
