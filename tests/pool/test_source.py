"""The pool's leases come from every queue that has jobs for it, and none is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest

from gosynq_client.worker.leases import Exchange, RefusalReason, Result
from gosynq_client.worker.outcomes import Succeeded
from gosynq_client.worker.source import SourceUnavailable
from gosynq_server.domain.errors import DatabaseUnavailable
from gosynq_server.domain.job import JobId
from gosynq_server.domain.lease_names import Told
from gosynq_server.pool.source import LocalLeaseSource
from gosynq_server.service.leases import Exchanged, Leases, Taking
from tests.service.house import HOUR, WINDOW, House

NO_TIME = timedelta(0)


class FaultyLeases(Leases):
    """Leases that cannot be reached for one queue."""

    broken = ""

    async def exchange(self, queue: str, results: Sequence[Told], taking: Taking, *, wanted: int) -> Exchanged:
        if queue == self.broken:
            raise DatabaseUnavailable
        return await super().exchange(queue, results, taking, wanted=wanted)


def _source(house: House, *, among: Sequence[str] = (), cancels: list[str] | None = None) -> LocalLeaseSource:
    told = [] if cancels is None else cancels

    def on_cancel(job: JobId, reason: str, **_: object) -> None:
        told.append(f"{job} {reason}")

    leases = FaultyLeases(house.database, house.queues, house.wakeups, window=WINDOW)
    return house.source(leases=leases, among=among, on_cancel=on_cancel)


@contextmanager
def _out_of_reach(queue: str) -> Iterator[None]:
    FaultyLeases.broken = queue
    try:
        yield
    finally:
        FaultyLeases.broken = ""


async def _fill(house: House, **counts: int) -> None:
    for queue, count in counts.items():
        for _ in range(count):
            await house.add(queue=queue)


def _queues(exchange: Exchange) -> list[str]:
    return sorted(lease.queue for lease in exchange.leases)


async def test_nothing_is_leased_before_anything_is_heard_of(house: House) -> None:
    await _fill(house, q=1)

    assert await _source(house).exchange([], 5) == Exchange(leases=[], refusals=[], replaced=[])


async def test_a_queue_that_was_heard_of_is_leased_from(house: House) -> None:
    source = _source(house)
    await _fill(house, q=2)

    exchange = await source.exchange([], 5)

    assert _queues(exchange) == ["q", "q"]
    assert {(await house.job(lease.job_id)).worker_id for lease in exchange.leases} == {"pool"}


async def test_never_more_is_leased_than_is_wanted(house: House) -> None:
    source = _source(house)
    await _fill(house, a=3, b=3, c=3)

    taken = [len((await source.exchange([], wanted)).leases) for wanted in (0, 1, 2, 4, 9)]

    assert taken == [0, 1, 2, 4, 2]


async def test_queues_share_what_is_wanted(house: House) -> None:
    source = _source(house)
    await _fill(house, a=9, b=9, c=9)

    assert _queues(await source.exchange([], 6)) == ["a", "a", "b", "b", "c", "c"]


async def test_what_a_poor_queue_leaves_goes_to_the_others(house: House) -> None:
    source = _source(house)
    await _fill(house, a=1, b=9)

    assert _queues(await source.exchange([], 6)) == ["a", "b", "b", "b", "b", "b"]


async def test_with_less_wanted_than_there_are_queues_each_gets_its_turn(house: House) -> None:
    source = _source(house)
    await _fill(house, a=9, b=9, c=9)

    turns = [_queues(await source.exchange([], 1))[0] for _ in range(6)]

    assert sorted(turns[:3]) == ["a", "b", "c"]
    assert turns[3:] == turns[:3]


async def test_results_of_any_queue_are_settled_even_when_nothing_is_wanted(house: House) -> None:
    source = _source(house)
    await _fill(house, a=2, b=1)
    held = (await source.exchange([], 3)).leases

    exchange = await source.exchange([Result(lease=lease, outcome=Succeeded()) for lease in held], 0)

    assert exchange == Exchange(leases=[], refusals=[], replaced=[])
    assert [await house.stage(lease.job_id) for lease in held] == ["finished"] * 3


async def test_a_queue_with_more_needs_no_other_wake_up(house: House) -> None:
    source = _source(house)
    await _fill(house, a=9, b=1)
    while (await source.exchange([], 1)).leases:
        async with asyncio.timeout(5):
            await source.wait(HOUR)

    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.ready") == 0


@pytest.mark.parametrize("wanted", [0, 1, 2, 4, 9])
async def test_when_a_queue_is_out_of_reach_what_the_others_gave_goes_back_and_no_more_is_handed_out_than_is_wanted(
    house: House, wanted: int
) -> None:
    source = _source(house)
    await _fill(house, a=2, b=5)
    with _out_of_reach("b"), pytest.raises(SourceUnavailable):
        await source.exchange([], 4)
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.running") == 2

    answer = await source.exchange([], wanted)

    assert (len(answer.leases), answer.refusals) == (min(wanted, 7), [])
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.running") == len(answer.leases)
    assert await house.sql.fetchval("SELECT max(failures + deliveries) FROM gosynq.jobs") == min(wanted, 1)


async def test_what_goes_back_is_told_nobody_even_where_its_lease_was_lost(house: House) -> None:
    source = _source(house)
    await _fill(house, a=1, b=1)
    with _out_of_reach("b"), pytest.raises(SourceUnavailable):
        await source.exchange([], 4)
    (running,) = await house.sql.fetch("SELECT id FROM gosynq.running")
    await house.jobs.delete(str(running["id"]), force=True, allow_missing=False)

    answer = await source.exchange([], 4)

    assert (_queues(answer), answer.refusals) == (["b"], [])


async def test_a_result_whose_fate_is_unknown_can_be_offered_again(house: House) -> None:
    source = _source(house)
    await _fill(house, a=1, b=1)
    held = (await source.exchange([], 2)).leases
    results = [Result(lease=lease, outcome=Succeeded()) for lease in held]
    with _out_of_reach("b"), pytest.raises(SourceUnavailable):
        await source.exchange(results, 0)

    exchange = await source.exchange(results, 0)

    assert [(refusal.lease.queue, refusal.reason) for refusal in exchange.refusals] == [
        ("a", RefusalReason.ALREADY_APPLIED)
    ]
    assert [await house.stage(lease.job_id) for lease in held] == ["finished"] * 2


async def test_after_a_while_without_a_wake_up_it_looks_at_the_tables(house: House) -> None:
    await _fill(house, q=1, q2=1)
    source = _source(house)

    await source.wait(NO_TIME)

    assert _queues(await source.exchange([], 9)) == ["q", "q2"]


async def test_a_look_leaves_paused_queues_out(house: House) -> None:
    await _fill(house, q=1)
    await house.sql.execute("UPDATE gosynq.queues SET state = 'paused'")
    source = _source(house)
    before = house.database.names.count("leases_exchange")

    await source.wait(NO_TIME)
    await source.exchange([], 9)

    assert house.database.names.count("leases_exchange") == before


async def test_a_wake_up_ends_the_wait(house: House) -> None:
    source = _source(house)
    waiting = asyncio.create_task(source.wait(HOUR))
    await asyncio.sleep(0)

    await _fill(house, q=1)

    async with asyncio.timeout(5):
        await waiting
    assert _queues(await source.exchange([], 1)) == ["q"]


async def test_only_the_named_queues_are_served(house: House) -> None:
    source = _source(house, among=["b"])
    await _fill(house, a=1, b=1)

    await source.wait(NO_TIME)
    await source.wait(NO_TIME)

    assert _queues(await source.exchange([], 9)) == ["b"]


async def test_jobs_of_other_kinds_do_not_keep_it_busy(house: House) -> None:
    source = _source(house)
    await house.add(kind="other")

    assert (await source.exchange([], 1)).leases == []
    before = house.database.names.count("leases_exchange")
    await source.exchange([], 1)
    assert house.database.names.count("leases_exchange") == before


async def test_cancels_are_passed_on(house: House) -> None:
    cancels: list[str] = []
    _source(house, cancels=cancels)
    lease = await house.started()

    await house.jobs.cancel(lease.job_id, reason="enough", force=False)

    assert cancels == [f"{lease.job_id} enough"]
