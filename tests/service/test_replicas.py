"""Servers tell one another what happened, in notices that PostgreSQL takes."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from gosynq_server.domain.ids import new_job_id
from gosynq_server.domain.job import JobId
from gosynq_server.service.replicas import Replicas
from gosynq_server.service.wakeups import Deaf, Signal, Wakeups
from gosynq_server.store import notices
from tests.service.house import House

WORST = "\x00\"\\'\n\u20ac\U0001f600\ud800" * 200


class Ears(Deaf):
    def __init__(self) -> None:
        self.heard: set[object] = set()
        self.something = asyncio.Event()

    def jobs_ready(self, queue: str) -> None:
        self._hear("ready", queue)

    def jobs_scheduled(self, queue: str) -> None:
        self._hear("scheduled", queue)

    def queue_changed(self, queue: str) -> None:
        self._hear("changed", queue)

    def jobs_held(self, queue: str) -> None:
        self._hear("held", queue)

    def cancel_requested(self, job: JobId, reason: str, *, lease_lost: bool = False) -> None:
        self._hear(job, reason, *(["lost"] if lease_lost else []))

    def worker_changed(self, worker_id: str) -> None:
        self._hear("worker", worker_id)

    def _hear(self, *what: str) -> None:
        self.heard.add(what)
        self.something.set()


async def _heard_by_another(
    house: House, *, cancels: list[tuple[JobId, str]], queues: list[str], workers: list[str]
) -> set[object]:
    """Let one server tell, over and over until another one that has just begun to listen hears it."""
    ears = Ears()
    here = Wakeups()
    here.add(ears)
    teller = Replicas(house.database, server_id="a", here=Wakeups(), on_tick=Signal().set)
    listener = Replicas(house.database, server_id="b", here=here, on_tick=Signal().set)
    async with asyncio.timeout(10):
        tasks = [asyncio.create_task(part) for part in (listener.listen(), teller.send())]
        while not ears.something.is_set():
            for queue in queues:
                teller.jobs_ready(queue)
                teller.jobs_scheduled(queue)
                teller.queue_changed(queue)
            for job, reason in cancels:
                teller.cancel_requested(job, reason)
            for worker in workers:
                teller.worker_changed(worker)
            with suppress(TimeoutError):
                await asyncio.wait_for(ears.something.wait(), 0.05)
            assert not tasks[1].done(), tasks[1].exception()
    for task in tasks:
        task.cancel()
    return ears.heard


async def test_what_happened_here_is_heard_there(house: House) -> None:
    job = new_job_id()

    heard = await _heard_by_another(house, cancels=[(job, "enough of it")], queues=["q"], workers=["w"])

    queue = {("ready", "q"), ("scheduled", "q"), ("changed", "q")}
    assert heard == queue | {(job, "enough of it"), ("worker", "w")}


@pytest.mark.parametrize(
    "notice", ["", "{", "[]", "null", '{"from": "a"}', '{"from": "a", "ready": 1}', '{"ready": ["q"]}']
)
async def test_a_notice_that_makes_no_sense_is_left_and_the_next_one_heard(
    house: House, notice: str, caplog: pytest.LogCaptureFixture
) -> None:
    ears, here = Ears(), Wakeups()
    here.add(ears)
    listening = asyncio.create_task(Replicas(house.database, server_id="b", here=here, on_tick=Signal().set).listen())
    async with asyncio.timeout(10):
        while not (ears.heard and caplog.records):
            for each in (notice, '{"from": "a", "ready": ["q"], "scheduled": [], "cancels": []}'):
                await notices.send(house.database, each)
            await asyncio.sleep(0)
        listening.cancel()

    assert ears.heard == {("ready", "q")}
    assert {record.message for record in caplog.records} == {"a notice was not understood"}


async def test_the_largest_notice_is_still_sent(house: House) -> None:
    cancels = [(new_job_id(), WORST) for _ in range(100)]

    names = [f"{number:x>128}" for number in range(100)]

    heard = await _heard_by_another(house, cancels=cancels, queues=names, workers=names)

    assert len(heard) == 60


async def test_what_sql_tells_of_jobs_that_are_held_is_heard(house: House) -> None:
    ears, here = Ears(), Wakeups()
    here.add(ears)
    listening = asyncio.create_task(Replicas(house.database, server_id="b", here=here, on_tick=Signal().set).listen())
    async with asyncio.timeout(10):
        while not ears.heard:
            await house.sql.fetch("SELECT gosynq.enqueue('q', ordering_key => 'a')")
        listening.cancel()

    assert ears.heard == {("held", "q")}
