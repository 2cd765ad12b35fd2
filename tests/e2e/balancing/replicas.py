"""Servers on one database, each at its own address however often it is ended, and what they tell of their calls."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.fault.servers import ServerProcess, free_port


@dataclass(slots=True, kw_only=True)
class Replica:
    """One of the servers."""

    database_url: str
    log: Path
    arguments: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    server: ServerProcess | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def process(self) -> ServerProcess:
        assert self.server is not None, "it was not started"
        return self.server

    async def start(self) -> None:
        """Start it and wait until it serves."""
        command = ("serve", "--database-url", self.database_url, "--grpc-port", str(self.port), *self.arguments)
        self.server = await ServerProcess.spawn(*command, log=self.log, environment={})
        await self.server.ready()

    async def kill(self) -> None:
        """Kill it, if it runs."""
        if self.server is not None:
            await self.server.kill()

    async def stop(self) -> None:
        """Stop it in order."""
        self.process.signal(signal.SIGTERM)
        ended = await self.process.ended()
        assert ended.status == 0, ended.log

    async def metric(self, name: str, **labels: str) -> float:
        """Return the value of a metric; 0 where it was not counted yet."""
        async with httpx.AsyncClient(trust_env=False) as http:
            page = (await http.get(f"http://{self.process.addresses['metrics']}/metrics")).text
        samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
        return sum(
            sample.value for sample in samples if sample.name == name and sample.labels.items() >= labels.items()
        )


def target(replicas: list[Replica]) -> str:
    """Return what a client is given to reach all of them."""
    return f"ipv4:{','.join(replica.address for replica in replicas)}"


async def each(replicas: list[Replica], name: str, **labels: str) -> list[float]:
    """Return a metric of each."""
    return [await replica.metric(name, **labels) for replica in replicas]


async def shares(replicas: list[Replica], name: str, *, total: int) -> list[float]:
    """Return a gauge of each, as soon as it comes to that total; the test's time limit is the patience."""
    while sum(told := await each(replicas, name)) != total:
        pass
    return told
