"""The list of workers, which every server keeps for those that it has."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

import pytest

from gosynq_server.domain.errors import DatabaseUnavailable, PageTokenInvalid, WorkerNotFound
from gosynq_server.domain.worker import Subscription, WorkerInfo, WorkerMake, WorkerState
from gosynq_server.service.replicas import Replicas
from gosynq_server.service.wakeups import Signal
from tests.service.house import HOUR, PATIENCE_SECONDS, House
from tests.service.working import a_profile, told, working

MAKE = WorkerMake(sdk="gosynq-go 1.0", language="go 1.24", build="7", host="pod-1")
NO_TIME = timedelta()


async def _listed(house: House, *, queue: str = "") -> list[WorkerInfo]:
    page = await house.roster.list(queue=queue, page_size=100, page_token="")
    assert page.next_page_token == ""
    return list(page.workers)


async def _ids(house: House, *, queue: str = "") -> list[str]:
    return [worker.profile.worker_id for worker in await _listed(house, queue=queue)]


async def _let_pass(house: House, seconds: int) -> None:
    """Pass the time of every row in the list."""
    await house.sql.execute(
        "UPDATE gosynq.workers SET last_seen_at = last_seen_at - $1::interval, renewed_at = renewed_at - $1::interval",
        timedelta(seconds=seconds),
    )


async def _poll(house: House, *, draining: asyncio.Event | None = None, wait: timedelta = NO_TIME) -> int:
    leases = await house.workers.lease(a_profile(), 5, wait=wait, draining=draining or asyncio.Event())
    return len(leases)


async def test_a_worker_is_listed_as_it_said_while_its_session_is_open(house: House) -> None:
    profile = a_profile(
        Subscription(queue="a", weight=3), Subscription(queue="b", max_in_flight=2), kinds=("send",), make=MAKE
    )
    async with house.workers.session(profile) as session:
        session.limit(7)
        await house.registrar.run_once()
        (worker,) = await _listed(house)
    assert await _ids(house) == []
    assert worker.profile == profile
    assert (worker.state, worker.in_flight, worker.max_in_flight) == (WorkerState.ACTIVE, 0, 7)
    assert worker.server_id == house.server_id
    assert worker.connected_at <= worker.last_seen_at


async def test_the_leases_of_a_worker_are_counted_wherever_they_were_granted(house: House, elsewhere: House) -> None:
    for _ in range(3):
        await house.add()
    async with working(house, limit=2) as worker:
        await worker.granted_so_many(2)
        await elsewhere.lease(worker="w-1")
        assert [listed.in_flight for listed in await _listed(elsewhere)] == [3]


async def test_all_workers_of_a_server_are_renewed_in_one_statement(house: House) -> None:
    async with AsyncExitStack() as stack:
        for number in range(20):
            await stack.enter_async_context(house.workers.session(a_profile(worker_id=f"w-{number}")))
        house.database.names.clear()
        await house.registrar.run_once()
        names = [name for name in house.database.names if name.startswith("workers_")]
        assert len(await _ids(house)) == 20
    assert names == ["workers_renew", "workers_sweep"]


async def test_a_server_without_workers_has_none_to_renew(house: House) -> None:
    await house.registrar.run_once()
    assert [name for name in house.database.names if name.startswith("workers_")] == ["workers_sweep"]


async def test_a_worker_that_says_hello_elsewhere_is_replaced_here_and_not_there(
    house: House, elsewhere: House
) -> None:
    async with house.workers.session(a_profile()) as old, elsewhere.workers.session(a_profile()) as new:
        for server in (house, elsewhere):
            await server.registrar.run_once()
        assert (old.replaced.is_set(), new.replaced.is_set()) == (True, False)
        (worker,) = await _listed(house)
        assert worker.server_id == elsewhere.server_id


async def test_a_session_that_was_replaced_takes_nobody_out_of_the_list(house: House, elsewhere: House) -> None:
    async with AsyncExitStack() as stack:
        async with house.workers.session(a_profile()):
            await stack.enter_async_context(elsewhere.workers.session(a_profile()))
        assert await _ids(house) == ["w-1"]


async def test_of_two_hellos_of_one_worker_at_once_one_session_stays(house: House, elsewhere: House) -> None:
    for number in range(10):
        profile = a_profile(worker_id=f"w-{number}")
        async with AsyncExitStack() as stack:
            entering = (stack.enter_async_context(server.workers.session(profile)) for server in (house, elsewhere))
            sessions = await asyncio.gather(*entering)
            await asyncio.gather(*(server.registrar.run_once() for server in (house, elsewhere)))
            assert sorted(session.replaced.is_set() for session in sessions) == [False, True]


async def test_a_notice_makes_the_server_look_at_once_that_has_the_older_session(
    house: House, elsewhere: House
) -> None:
    told_there = Replicas(elsewhere.database, server_id="b", here=elsewhere.wakeups, on_tick=Signal().set)
    told_here = Replicas(house.database, server_id="a", here=house.wakeups, on_tick=Signal().set)
    elsewhere.wakeups.add(told_there)
    parts = (told_there.send(), told_here.listen())
    async with house.workers.session(a_profile()) as old, asyncio.timeout(PATIENCE_SECONDS):
        running = [asyncio.create_task(part) for part in parts]
        # The first notices may be sent before anybody listens.
        while not await house.registrar.signal.wait(0.2):
            async with elsewhere.workers.session(a_profile()):
                pass
            await house.sql.execute("UPDATE gosynq.workers SET server_id = 'a'")
            await house.registrar.run_once()
        assert not old.drained.is_set()
        for task in running:
            task.cancel()


async def test_a_drain_reaches_a_worker_at_another_server_and_the_first_reason_stays(
    house: House, elsewhere: House
) -> None:
    await house.add()
    async with working(house, limit=1) as worker:
        (lease,) = await worker.granted_so_many(1)
        for reason in ("a new version", "once more"):
            info = await elsewhere.roster.drain("w-1", reason=reason)
            assert (info.state, info.in_flight) == (WorkerState.DRAINING, 1)
        await house.registrar.run_once()
        assert (worker.session.drained.is_set(), worker.session.drain_reason) == (True, "a new version")
        await house.add()
        await worker.settled(told(lease))
        worker.take_what_is_there()
        assert len(worker.granted) == 1


async def test_a_drain_is_told_here_at_once(house: House) -> None:
    async with house.workers.session(a_profile()) as session:
        await house.roster.drain("w-1", reason="")
        assert await house.registrar.signal.wait(0)
        await house.registrar.run_once()
        assert session.drained.is_set()


async def test_a_worker_that_broke_off_is_told_again_and_one_that_left_is_not(house: House, elsewhere: House) -> None:
    with suppress(ConnectionError):
        async with house.workers.session(a_profile()):
            await house.roster.drain("w-1", reason="enough")
            raise ConnectionError
    async with elsewhere.workers.session(a_profile()) as again:
        assert (again.drained.is_set(), again.drain_reason) == (True, "enough")
    async with house.workers.session(a_profile()) as fresh:
        assert not fresh.drained.is_set()


async def test_a_worker_that_nobody_knows_cannot_be_drained(house: House) -> None:
    async with house.workers.session(a_profile()):
        await _let_pass(house, 61)
        for unknown in ("w-1", "w-2"):
            with pytest.raises(WorkerNotFound):
                await house.roster.drain(unknown, reason="")


async def test_one_that_is_not_renewed_is_lost_after_half_a_minute_and_forgotten_after_one(house: House) -> None:
    async with house.workers.session(a_profile()) as session:
        await _let_pass(house, 29)
        assert [worker.state for worker in await _listed(house)] == [WorkerState.ACTIVE]
        await _let_pass(house, 2)
        assert [worker.state for worker in await _listed(house)] == [WorkerState.LOST]
        await _let_pass(house, 30)
        assert await _listed(house) == []
        await house.registrar.run_once()
        assert [worker.state for worker in await _listed(house)] == [WorkerState.ACTIVE]
        assert not session.replaced.is_set()


async def test_what_no_server_renews_is_swept_and_what_is_back_is_put_there_again(
    house: House, elsewhere: House
) -> None:
    async with house.workers.session(a_profile()) as session:
        await _let_pass(house, 61)
        await elsewhere.registrar.run_once()
        assert await house.sql.fetchval("SELECT count(*) FROM gosynq.workers") == 0
        await house.registrar.run_once()
        assert await _ids(house) == ["w-1"]
        assert not session.replaced.is_set()


async def test_a_worker_that_is_silent_though_it_has_leases_is_seen_when_it_last_spoke(house: House) -> None:
    async with house.workers.session(a_profile()) as session:
        await house.registrar.run_once()
        before = (await _listed(house))[0].last_seen_at
        session._held.is_overdue = True  # noqa: SLF001 - its clock is not the test's
        await house.registrar.run_once()
        assert (await _listed(house))[0].last_seen_at - before < timedelta(seconds=0.5)


async def test_a_worker_that_polls_is_listed_without_a_server(house: House) -> None:
    await _poll(house)
    await house.registrar.run_once()
    (worker,) = await _listed(house)
    assert (worker.profile.worker_id, worker.server_id, worker.max_in_flight) == ("w-1", "", 5)


async def test_a_worker_that_polls_is_listed_as_it_said_last(house: House) -> None:
    assert house.registrar.polled(a_profile(kinds=["a"]), wanted=1)
    await house.registrar.run_once()
    assert house.registrar.polled(a_profile(kinds=["b"]), wanted=1)
    await house.registrar.run_once()
    (worker,) = await _listed(house)
    assert worker.profile.kinds == ("b",)


async def test_a_drained_worker_that_polls_waits_in_vain(house: House) -> None:
    await _poll(house)
    await house.registrar.run_once()
    await house.roster.drain("w-1", reason="")
    await house.registrar.run_once()
    job = await house.add()
    draining = asyncio.Event()
    waiting = asyncio.create_task(_poll(house, draining=draining, wait=HOUR))
    assert await _poll(house) == 0
    assert not waiting.done()
    draining.set()
    assert await waiting == 0
    assert await house.stage(job) == "ready"


async def test_a_worker_with_a_session_polls_under_it(house: House) -> None:
    await house.add()
    async with house.workers.session(a_profile()):
        assert await _poll(house) == 1
        await house.registrar.run_once()
        assert [worker.server_id for worker in await _listed(house)] == [house.server_id]


async def test_a_call_of_a_worker_with_a_session_elsewhere_is_served_and_ends_nothing(
    house: House, elsewhere: House
) -> None:
    await house.add()
    async with elsewhere.workers.session(a_profile()) as session:
        assert await _poll(house) == 1
        for server in (house, elsewhere):
            await server.registrar.run_once()
        assert not session.replaced.is_set()
        assert [worker.server_id for worker in await _listed(house)] == [elsewhere.server_id]


async def test_a_hello_needs_the_database_and_an_end_does_not(house: House) -> None:
    house.database.away = frozenset({"workers_put"})
    with pytest.raises(DatabaseUnavailable):
        async with house.workers.session(a_profile()):
            pass
    assert house.workers.session_count == 0
    house.database.away = frozenset({"workers_leave"})
    async with house.workers.session(a_profile()):
        assert house.workers.session_count == 1


async def test_workers_are_listed_by_the_queues_that_they_take_from(house: House) -> None:
    async with AsyncExitStack() as stack:
        for worker_id, queues in (("a", ("x",)), ("b", ("y",)), ("c", ("x", "y"))):
            profile = a_profile(*(Subscription(queue=queue) for queue in queues), worker_id=worker_id)
            await stack.enter_async_context(house.workers.session(profile))
        await house.sql.execute(
            "UPDATE gosynq.workers SET queues = '{}', weights = '{}', limits = '{}' WHERE worker_id = 'b'"
        )
        assert await _ids(house, queue="x") == ["a", "b", "c"]
        assert await _ids(house, queue="y") == ["b", "c"]
        assert await _ids(house, queue="z") == ["b"]


async def test_pages_go_through_all_workers_by_their_ids(house: House) -> None:
    async with AsyncExitStack() as stack:
        for worker_id in ("b", "a", "B", "_c@host.example"):
            await stack.enter_async_context(house.workers.session(a_profile(worker_id=worker_id)))
        ids, token = list[str](), ""
        while True:
            page = await house.roster.list(queue="", page_size=1, page_token=token)
            ids += [worker.profile.worker_id for worker in page.workers]
            if not (token := page.next_page_token):
                break
            with pytest.raises(PageTokenInvalid):
                await house.roster.list(queue="q", page_size=1, page_token=token)
    assert ids == ["B", "_c@host.example", "a", "b"]


@pytest.mark.parametrize("token", ["x", "????", "AQ==", "AAAA" * 20])
async def test_a_token_that_no_list_gave_is_refused(house: House, token: str) -> None:
    with pytest.raises(PageTokenInvalid):
        await house.roster.list(queue="", page_size=1, page_token=token)
