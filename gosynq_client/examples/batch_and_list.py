"""Enqueue many jobs in one transaction, wait for them, and list them by their label."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid

from gosynq_client import Client, JobRequest


async def main(target: str) -> None:
    """Enqueue twenty jobs and print what came of each."""
    batch = uuid.uuid4().hex
    requests = [JobRequest("word_count", {"text": "word " * count}, labels={"batch": batch}) for count in range(20)]
    async with Client(target) as client:
        enqueued = await client.enqueue_many(requests)
        await asyncio.gather(*(client.wait(job.id) for job in enqueued))
        async for job in client.list(filter=f'labels.batch = "{batch}"', full=True, page_size=10):
            print(job.id, job.status, job.result)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if sys.argv[1:] else os.environ.get("GOSYNQ_TARGET", "localhost:50051")))
