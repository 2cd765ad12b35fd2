"""Enqueue one job and watch all that happens to it, from its creation to its end."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta

from gosynq_client import Client, GosynqError


async def main(target: str) -> None:
    """Print each event of the job; the watch outlasts a server that restarts, for a minute at most."""
    async with Client(target) as client:
        try:
            enqueued = await client.enqueue("word_count", {"text": "to be or not to be"})
            async with client.watch(
                job_ids=[enqueued.id],
                cursor=enqueued.cursor,
                include_payload=True,
                stop_when_terminal=True,
                give_up_after=timedelta(minutes=1),
            ) as watch:
                async for event in watch:
                    print(event.type, event.status, event.payload)
        except GosynqError as error:
            sys.exit(f"{error.reason or error.code}: {error}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if sys.argv[1:] else os.environ.get("GOSYNQ_TARGET", "localhost:50051")))
