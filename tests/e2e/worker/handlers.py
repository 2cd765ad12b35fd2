"""Handlers that tell the test what they do, by files in the folder that a job names."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from gosynq_client.worker import Handlers, Job

handlers = Handlers()


@handlers.register("noted")
def noted(job: Job) -> None:
    """Write down which queue it came from."""
    with Path(job.payload["file"]).open("a", encoding="utf-8") as file:
        file.write(f"{job.queue}\n")


@handlers.register("waiting")
async def waiting(job: Job) -> None:
    """Come no further until it is cancelled."""
    await job.progress(1, 2, "halfway")
    await asyncio.Event().wait()


@handlers.register("endless")
def endless(_job: Job) -> None:
    """Keep a thread for ever, deaf to whatever it is told."""
    threading.Event().wait()
