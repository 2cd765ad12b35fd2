"""Handlers for what the demonstration has no use for."""

from __future__ import annotations

import asyncio
import threading

from gosynq_client.worker import Handlers, Job

handlers = Handlers()


@handlers.register("halfway")
async def halfway(job: Job) -> None:
    """Tell how far it is, and come no further until it is cancelled."""
    await job.progress(3, 6, "halfway there")
    await asyncio.Event().wait()


@handlers.register("endless")
def endless(_job: Job) -> None:
    """Keep a thread for ever, deaf to whatever it is told."""
    threading.Event().wait()
