"""The embedded PostgreSQL alone, set as gosynq up sets it: python -m bench.postgres FOLDER READY."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from gosynq_server.embedded import given_or_embedded


async def main(folder: Path, ready: Path) -> None:
    """Run it until terminated; say its address, and the process whose children are its own."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with given_or_embedded(None, folder / "database") as dsn:
        await asyncio.to_thread(ready.write_text, json.dumps({"dsn": dsn, "pid": os.getpid()}))
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
