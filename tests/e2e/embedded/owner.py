"""A process that owns an embedded server: it tells the address and the server's pid in one line, and watches on."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from gosynq_server.embedded import EmbeddedError, EmbeddedPostgres


async def own(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir=data_dir, durable=False)
    url = await server.start()
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        loop.add_signal_handler(signal.SIGTERM, lambda: tasks.create_task(server.stop()))
        sys.stdout.write(f"{url} {server.pid}\n")
        sys.stdout.flush()
        await server.run()


if __name__ == "__main__":
    try:
        asyncio.run(own(Path(sys.argv[1])))
    except EmbeddedError as error:
        sys.exit(f"{type(error).__name__}: {error}")
