"""The rescuer: jobs whose lease ran out are taken back from workers that are gone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gosynq_server.service.leases import Leases

_LOOK_EVERY = timedelta(seconds=2)
_BATCH = 500


class Rescuer:
    """Takes back what expired, in batches, the oldest first."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    async def run_once(self) -> timedelta:
        """Take back every expired lease; return how long it is until the next look."""
        while await self._leases.rescue(limit=_BATCH) == _BATCH:
            pass
        return _LOOK_EVERY
