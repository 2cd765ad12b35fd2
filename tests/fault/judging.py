"""The end of a run: everything drained, the server stopped in order, and the books held against the tables."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx

from gosynq_client.client import Client
from gosynq_client.options import ClientOptions
from gosynq_server.embedded import EmbeddedPostgres
from tests.fault.checker import Limits
from tests.fault.servers import HANDLERS, ServerProcess
from tests.fault.tables import Tables, read_tables

LIMITS: Final = Limits(max_retries=3, max_deliveries=20, lease_duration=timedelta(seconds=1))

TROUBLE: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "DATABASE_UNAVAILABLE"})
"""What calls may be answered with while something is down: all else would be a bug."""

STOPPING: Final = "CANCELLED"
"""What calls may be answered with besides by a server that stops and has not begun them."""

TOO_LATE: Final = "JOB_TERMINAL"
"""What a cancel may be answered with at any time."""

SETTINGS: Final = (
    *("--concurrency", "20"),
    *("--lease-duration", "1s"),
    *("--max-retries", str(LIMITS.max_retries)),
    *("--max-deliveries", str(LIMITS.max_deliveries)),
    *("--backoff-initial", "50ms"),
    *("--backoff-multiplier", "1"),
    *("--grace", "1s"),
    *("--log-level", "warning"),
)
"""A server that notices losses soon, with the settings that LIMITS names."""

POOL: Final = (*SETTINGS, "--handlers", HANDLERS)


def client_of(address: str) -> Client:
    """Give a client that finds a server again soon."""
    return Client(address, ClientOptions(channel_options=(("grpc.max_reconnect_backoff_ms", 300),)))


async def stop(server: ServerProcess) -> None:
    """Stop a server; it must end well."""
    server.signal(signal.SIGTERM)
    ended = await server.ended()
    assert ended.status == 0, ended.log


async def tables_of(data_dir: Path) -> Tables:
    """Read an embedded database that nobody runs."""
    database = EmbeddedPostgres(data_dir=data_dir)
    url = await database.start()
    try:
        return await read_tables(url)
    finally:
        await database.stop()


async def metrics_of(server: ServerProcess) -> dict[str, float]:
    """Scrape a server: the sum over all labels of each sample's name."""
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"http://{server.addresses['metrics']}/metrics", follow_redirects=True)
    answer.raise_for_status()
    sums: dict[str, float] = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            sample, _, value = line.rpartition(" ")
            name = sample.partition("{")[0]
            sums[name] = sums.get(name, 0.0) + float(value)
    return sums
