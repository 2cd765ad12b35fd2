"""Workers in processes of their own, killed, paused and left without their server."""

from __future__ import annotations

import asyncio
import signal
from random import Random

import pytest

from gosynq_client import Client
from tests.fault.checker import check
from tests.fault.conftest import Bell, Chronicle, Launch
from tests.fault.history import Edge
from tests.fault.judging import LIMITS, SETTINGS, TOO_LATE, TROUBLE, client_of, stop
from tests.fault.load import Load, drain
from tests.fault.servers import HANDLERS, PATIENCE, ServerProcess, free_port
from tests.fault.tables import read_tables

_KILLS = 5
_JOBS = 10
_SECONDS = 2.0
_LONG_LEASE = ("--lease-duration", "30s")


def worker_of(address: str) -> tuple[str, ...]:
    """Return the command of a worker of a server."""
    settings = ("--queue", "default", "--concurrency", "20", "--grace", "1s")
    return ("worker", "--target", address, "--handlers", HANDLERS, *settings)


def address_of(database_url: str) -> tuple[str, tuple[str, ...]]:
    """Return an address, and the command of a server there that has no pool of its own."""
    port = str(free_port())
    return f"127.0.0.1:{port}", ("serve", "--database-url", database_url, "--grpc-port", port, *SETTINGS)


@pytest.mark.timeout(120)
async def test_nothing_is_lost_and_nothing_completes_twice_over_kills_of_workers(
    launch: Launch, database_url: str, chronicle: Chronicle, random: Random
) -> None:
    address, command = address_of(database_url)
    server = await (await launch(*command)).ready()
    steady = await (await launch(*worker_of(address), log="steady")).ready()
    async with client_of(address) as client:
        load = Load(client=client, journal=chronicle.journal, random=random)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.run())
            for number in range(_KILLS):
                worker = await (await launch(*worker_of(address), log=f"worker-{number}")).ready()
                await load.acknowledge(random.randrange(20, 200))
                await worker.kill()
                chronicle.journal.died(worker.pid)
            load.stop()
        await drain(client)
    await stop(steady)
    await stop(server)
    history, tables = chronicle.read(), await read_tables(database_url)
    assert check(history, tables, LIMITS) == []
    assert load.reasons.keys() <= {TOO_LATE}
    assert any(run.end is None for run in history.runs()), "no kill met a handler at work"


@pytest.mark.timeout(120)
async def test_workers_outlast_kills_of_their_server(
    launch: Launch, database_url: str, chronicle: Chronicle, random: Random
) -> None:
    address, command = address_of(database_url)
    server = await (await launch(*command)).ready()
    workers = [await (await launch(*worker_of(address), log=f"worker-{number}")).ready() for number in range(2)]
    async with client_of(address) as client:
        load = Load(client=client, journal=chronicle.journal, random=random)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.run())
            for _ in range(_KILLS):
                await load.acknowledge(random.randrange(20, 300))
                await server.kill()
                server = await (await launch(*command)).ready()
            load.stop()
        await drain(client)
    for process in (*workers, server):
        await stop(process)
    history, tables = chronicle.read(), await read_tables(database_url)
    assert check(history, tables, LIMITS) == []
    assert load.reasons.keys() <= TROUBLE | {TOO_LATE}
    assert {run.start.pid for run in history.runs()} == {worker.pid for worker in workers}


@pytest.mark.timeout(90)
async def test_workers_leave_a_server_that_stops_and_spend_no_attempt_over_it(
    launch: Launch, database_url: str, chronicle: Chronicle, random: Random
) -> None:
    address, command = address_of(database_url)
    server = await (await launch(*command, *_LONG_LEASE, "--grace", "20s")).ready()
    worker = await (await launch(*worker_of(address), log="worker")).ready()
    async with client_of(address) as client:
        load = Load(client=client, journal=chronicle.journal, random=random)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.run())
            for _ in range(3):
                await load.acknowledge(random.randrange(50, 300))
                async with asyncio.timeout(5):  # workers leave when they are asked to: the grace is not used up
                    await stop(server)
                server = await (await launch(*command, *_LONG_LEASE, "--grace", "20s")).ready()
            load.stop()
        await drain(client)
    await stop(worker)
    await stop(server)
    history, tables = chronicle.read(), await read_tables(database_url)
    assert check(history, tables, LIMITS) == []
    assert {attempt.outcome for attempt in tables.attempts} <= {"failed", "cancelled"}
    assert "Traceback" not in worker.log() + server.log()


@pytest.mark.timeout(60)
async def test_what_runs_while_the_server_is_killed_goes_on_under_its_lease_and_is_settled_by_the_next(
    launch: Launch, database_url: str, chronicle: Chronicle, bell: Bell, random: Random
) -> None:
    address, command = address_of(database_url)
    server = await (await launch(*command, *_LONG_LEASE)).ready()
    worker = await (await launch(*worker_of(address), log="worker")).ready()
    async with client_of(address) as client:
        slow = await _enqueue_slow(client, chronicle, random)
        await bell.until(lambda: bell.started(by=worker.pid) >= slow)
        await server.kill()
        # Some have ended, with nobody to be told, before there is a server again.
        await bell.until(lambda: bool(_ended(bell, worker)))
        server = await (await launch(*command, *_LONG_LEASE)).ready()
        await drain(client)
    await stop(worker)
    await stop(server)
    history, tables = chronicle.read(), await read_tables(database_url)
    assert check(history, tables, LIMITS) == []
    assert {(job.id, job.lease_seq, job.status.value) for job in tables.jobs} == {(id_, 1, "completed") for id_ in slow}
    assert tables.attempts == []


@pytest.mark.timeout(90)
async def test_a_worker_paused_past_its_leases_has_its_stale_results_refused(
    launch: Launch, database_url: str, chronicle: Chronicle, bell: Bell, random: Random
) -> None:
    address, command = address_of(database_url)
    server = await (await launch(*command)).ready()
    paused = await (await launch(*worker_of(address), log="paused")).ready()
    async with client_of(address) as client, asyncio.timeout(PATIENCE):
        slow = await _enqueue_slow(client, chronicle, random)
        await bell.until(lambda: bell.started(by=paused.pid) >= slow)
        paused.signal(signal.SIGSTOP)
        other = await (await launch(*worker_of(address), log="other")).ready()
        # The stale results come in while the second leases are at work: only the fence keeps them apart.
        await bell.until(lambda: bell.started(by=other.pid) >= slow)
        paused.signal(signal.SIGCONT)
        await bell.until(lambda: _ended(bell, paused) >= slow)
        await drain(client)
    for process in (paused, other, server):
        await stop(process)
    history, tables = chronicle.read(), await read_tables(database_url)
    assert check(history, tables, LIMITS) == []
    assert all(job.lease_seq > 1 for job in tables.jobs)
    assert "result refused, lease lost" in paused.log() or "lease lost, attempt dropped" in paused.log()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_a_worker_told_to_stop_gives_back_what_does_not_end_and_what_it_has_not_begun(
    number: signal.Signals, launch: Launch, database_url: str, chronicle: Chronicle, bell: Bell, random: Random
) -> None:
    address, command = address_of(database_url)
    await (await launch(*command, *_LONG_LEASE)).ready()
    worker = await (await launch(*worker_of(address), log="worker")).ready()
    async with client_of(address) as client:
        load = Load(client=client, journal=chronicle.journal, random=random)
        short = {await load.enqueue("slow", f"short-{position}", {"seconds": 0.5}) for position in range(5)}
        hanging = {await load.enqueue("hanging", f"hanging-{position}", {}) for position in range(25)}
        await bell.until(lambda: len(bell.started(by=worker.pid)) >= 20)
        worker.signal(number)
        worker.signal(number)
        ended = await worker.ended()
    assert (ended.status, "Traceback" in ended.log) == (0, False), ended.log
    tables = await read_tables(database_url)
    jobs = {job.id: (job.status.value, job.failures, job.deliveries) for job in tables.jobs}
    assert jobs == {**dict.fromkeys(short, ("completed", 0, 1)), **dict.fromkeys(hanging, ("pending", 0, 0))}
    assert tables.attempts == []


async def _enqueue_slow(client: Client, chronicle: Chronicle, random: Random) -> set[str]:
    load = Load(client=client, journal=chronicle.journal, random=random, prefix="slow")
    return {
        await load.enqueue("slow", f"slow-{number}", {"seconds": _SECONDS + number / 10}) for number in range(_JOBS)
    }


def _ended(bell: Bell, worker: ServerProcess) -> set[str]:
    return {job_id for edge, job_id, _, pid in bell.heard if edge is Edge.END and pid == worker.pid}
