"""Handlers that do nothing, so that what is measured is everything else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gosynq_client.worker import Handlers

if TYPE_CHECKING:
    from gosynq_client.worker import Job

handlers = Handlers()


@handlers.register("noop")
async def noop(job: Job) -> None:
    """Do nothing."""


@handlers.register("stamp")
async def stamp(job: Job) -> dict[str, int]:  # noqa: ARG001 - it is asked for
    """Say when the handler began, in nanoseconds since the epoch."""
    return {"started": time.time_ns()}
