"""Two handlers: `gosynq up --handlers gosynq_client.examples.handlers` serves them, and this program tries each."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from datetime import timedelta

from gosynq_client import Client
from gosynq_client.worker import Handlers, Job

handlers = Handlers()


@handlers.register("word_count")
async def count_words(job: Job) -> dict[str, object]:
    """Count the words of a text; what a handler returns is the job's result."""
    return {"words": len(str(job.payload["text"]).split())}


@handlers.register("checksum")
def checksum(job: Job) -> dict[str, object]:
    """Sum a text up; a plain function runs in a thread, so it may take its time."""
    return {"sha256": hashlib.sha256(str(job.payload["text"]).encode()).hexdigest()}


async def main(target: str) -> None:
    """Run one job of each kind and print what came of it."""
    async with Client(target) as client:
        for kind in ("word_count", "checksum"):
            enqueued = await client.enqueue(kind, {"text": "to be or not to be"})
            job = await client.wait(enqueued.id, timeout=timedelta(seconds=30))
            print(kind, job.status, job.result)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if sys.argv[1:] else os.environ.get("GOSYNQ_TARGET", "localhost:50051")))
