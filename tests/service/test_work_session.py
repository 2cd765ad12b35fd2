"""What counts as an open lease of a session, over a real database."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from gosynq_client.worker.leases import Lease
from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.lease_names import RemoteResult, ref_of
from gosynq_server.domain.worker import Acknowledged, Granted, Subscription, WorkerProfile
from tests.service.house import PATIENCE_SECONDS, House
from tests.service.working import LedWorker, a_profile, told, working

PROFILE = WorkerProfile(worker_id="w-1", subscriptions=[Subscription(queue="q")])


async def test_a_heartbeat_for_a_lease_whose_result_came_before_takes_no_place(house: House) -> None:
    held = await house.started()
    await house.add()
    async with house.workers.session(PROFILE) as session:
        await session.beat([ref_of(held)])
        session.limit(1)
        session.offer([RemoteResult(lease=ref_of(held), outcome=Succeeded())])
        await session.beat([ref_of(held)])
        running = asyncio.create_task(session.run())
        async with asyncio.timeout(PATIENCE_SECONDS):
            deliveries = [await session.deliveries.get() for _ in range(2)]
        running.cancel()

    assert [type(delivery) for delivery in deliveries] == [Acknowledged, Granted]


async def test_workers_are_counted_while_their_sessions_are_open(house: House) -> None:
    other = replace(PROFILE, worker_id="other")
    async with house.workers.session(PROFILE), house.workers.session(other), house.workers.session(PROFILE):
        assert house.workers.session_count == 2
    assert house.workers.session_count == 0


async def test_what_was_granted_and_not_sent_goes_back_uncounted_when_the_session_ends(house: House) -> None:
    for _ in range(3):
        await house.add()
    with contextlib.suppress(ConnectionError):
        async with working(house, limit=3) as worker:
            leases = await worker.granted_so_many(3)
            worker.session.sending([(leases[0].job_id, leases[0].lease_seq)])
            raise ConnectionError
    ready = await house.sql.fetch("SELECT id::text, lease_seq, deliveries FROM gosynq.ready")
    assert {tuple(row) for row in ready} == {(lease.job_id, 1, 0) for lease in leases[1:]}
    assert await house.stage(leases[0].job_id) == "running"


async def test_a_database_that_is_away_lets_a_session_end(house: House, caplog: pytest.LogCaptureFixture) -> None:
    await house.add()
    async with working(house, limit=1) as worker:
        [lease] = await worker.granted_so_many(1)
        house.database.away = frozenset({"leases_release"})
    assert await house.stage(lease.job_id) == "running"
    assert caplog.messages == ["leases that were not sent were not given back, they will run out"]


async def test_a_queue_with_all_that_a_worker_takes_of_it_holds_up_nobody(house: House) -> None:
    for _ in range(2):
        await house.add(queue="few")
    profile = a_profile(Subscription(queue="few", max_in_flight=1), Subscription(queue="many"))
    async with working(house, profile, limit=3) as worker:
        [first] = await worker.granted_so_many(1)
        await house.add(queue="many")
        assert [lease.queue for lease in await worker.granted_so_many(2)] == ["few", "many"]
        await worker.settled(told(first))
        assert [lease.queue for lease in await worker.granted_so_many(3)] == ["few", "many", "few"]


@pytest.mark.parametrize("seed", range(3))
async def test_never_more_leases_are_open_than_the_limit_says_whatever_happens(house: House, seed: int) -> None:
    chances = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(60):
        await house.add(queue=chances.choice(["few", "many"]))
    profile = a_profile(Subscription(queue="few", max_in_flight=2), Subscription(queue="many", weight=3))
    async with working(house, profile) as worker:
        walk = _Walk(worker, chances)
        while walk.done < 60:
            await walk.step()
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.finished WHERE status = 'completed'") == 60


class _Walk:
    """Changes the limit and ends leases by chance, and counts what is open each time that something is granted.

    A limit that falls leaves what is open, and what is on its way: the most that may be open is what was, or the
    highest limit since the last answers, behind which nothing is on its way any more.
    """

    def __init__(self, worker: LedWorker, chances: random.Random) -> None:
        self._worker = worker
        self._chances = chances
        self._limit = self._highest = 0
        self._open: list[Lease] = []
        self.done = 0

    async def step(self) -> None:
        if self._limit == 0 or self._chances.random() < 0.3:
            self._limit = self._chances.randint(0, 6)
            self._highest = max(self._highest, self._limit)
            self._worker.session.limit(self._limit)
        if self._open and self._chances.random() < 0.7:
            self._chances.shuffle(self._open)
            some = self._chances.randint(1, len(self._open))
            ended, self._open = self._open[:some], self._open[some:]
            answers = await self._worker.settled(*map(told, ended))
            assert {answer.refused for answer in answers} == {None}
            self.done += some
            await self._see_what_comes()
            self._highest = self._limit
        elif self._chances.random() < 0.3:
            await self._worker.session.beat([ref_of(lease) for lease in self._open])
        await self._see_what_comes()

    async def _see_what_comes(self) -> None:
        before = len(self._open)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await self._worker.until(lambda: False)
        self._open += self._worker.granted
        self._worker.granted.clear()
        assert len(self._open) <= max(self._highest, before)
        assert sum(lease.queue == "few" for lease in self._open) <= 2


async def test_a_lease_of_which_nothing_is_heard_frees_its_room_once_it_has_run_out(house: House) -> None:
    for _ in range(2):
        await house.add()
    profile = a_profile(lease_duration=timedelta(seconds=1))
    async with working(house, profile, limit=1) as worker:
        [first] = await worker.granted_so_many(1)
        while len(worker.granted) < 2:
            worker.session.limit(1)
            await asyncio.sleep(0)
            worker.take_what_is_there()
        second = worker.granted[1]
    assert second.leased_at - first.leased_at > timedelta(seconds=1)


async def test_leases_from_before_count_and_of_those_that_are_gone_it_is_told(house: House) -> None:
    held, gone = await house.started(), await house.started()
    await house.settle(gone, Succeeded())
    await house.add()
    async with working(house) as worker:
        statuses = await worker.session.beat([ref_of(held), ref_of(gone)])
        worker.session.limit(1)
        answers = await worker.settled(told(held))
        assert [status.expires_at is not None for status in statuses] == [True, False]
        assert [answer.refused for answer in answers] == [None]
        assert len(await worker.granted_so_many(1)) == 1


async def test_queues_share_a_session_by_their_weights(house: House) -> None:
    for _ in range(80):
        await house.add(queue="low")
        await house.add(queue="high")
    profile = a_profile(Subscription(queue="low"), Subscription(queue="high", weight=3))
    taken: Counter[str] = Counter()
    async with working(house, profile, limit=5) as worker:
        while taken.total() < 60:
            await worker.granted_so_many(1)
            ended, worker.granted = worker.granted, []
            taken.update(lease.queue for lease in ended)
            await worker.settled(*map(told, ended))
    assert abs(taken["high"] / taken.total() - 0.75) < 0.1


async def test_a_worker_that_names_no_kinds_takes_all(house: House) -> None:
    await house.add(kind="this")
    await house.add(kind="that")
    async with working(house, limit=2) as worker:
        assert {lease.kind for lease in await worker.granted_so_many(2)} == {"this", "that"}


async def test_a_worker_of_some_kinds_takes_these_alone(house: House) -> None:
    await house.add(kind="this")
    mine = await house.add(kind="that")
    async with working(house, a_profile(kinds=["that", "other"]), limit=2) as worker:
        [lease] = await worker.granted_so_many(1)
        await worker.settled(told(lease))
        assert (lease.job_id, worker.granted) == (mine, [lease])
