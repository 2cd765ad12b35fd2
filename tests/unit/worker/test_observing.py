"""What is told of attempts: what was recorded of them, once it is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import pytest

from gosynq_client.worker import AttemptEnded, Job, WorkerRuntime
from gosynq_client.worker.leases import Exchange, Refusal, RefusalReason, Result
from gosynq_client.worker.outcomes import AttemptError, Failed, Outcome, Succeeded
from tests.unit.worker.memory_source import MemorySource, a_lease, only, running, turns
from tests.unit.worker.virtual_time import in_virtual_time

TOO_LARGE = Failed(error=AttemptError(type="ResultTooLarge", message="9 bytes", non_retryable=True))


async def brief(job: Job) -> None: ...


class Replacing(MemorySource):
    """Records a failure in place of every result."""

    async def exchange(self, results: Sequence[Result], wanted: int) -> Exchange:
        replaced = [Result(lease=result.lease, outcome=TOO_LARGE) for result in results]
        answer = await super().exchange(replaced, wanted)
        return Exchange(leases=answer.leases, refusals=answer.refusals, replaced=replaced)


async def seen_of(source: MemorySource) -> list[Outcome | None]:
    """Run one job, and tell what was told of it."""
    seen: list[AttemptEnded] = []
    async with running(WorkerRuntime(source, only(brief), observe=seen.append)):
        await source.until(lambda: any(asked.results for asked in source.asked))
    return [ended.outcome for ended in seen]


@in_virtual_time
async def test_an_attempt_is_told_of_when_its_result_is_settled_and_not_before() -> None:
    seen: list[AttemptEnded] = []
    source = MemorySource([a_lease()])
    async with running(WorkerRuntime(source, only(brief), observe=seen.append)):
        await source.until(lambda: not source.due)
        source.open.clear()
        await source.until(lambda: source.asked[-1].results)
        await turns()
        assert seen == []
        source.open.set()
    assert [ended.outcome for ended in seen] == [Succeeded()]


@in_virtual_time
async def test_an_attempt_whose_result_was_replaced_is_told_by_what_was_recorded() -> None:
    assert await seen_of(Replacing([a_lease()])) == [TOO_LARGE]


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        ([RefusalReason.LEASE_LOST], None),
        ([RefusalReason.ALREADY_APPLIED], Succeeded()),
        (
            [RefusalReason.INVALID],
            Failed(error=AttemptError(type="InvalidResult", message="bad", non_retryable=True)),
        ),
        ([RefusalReason.INVALID, RefusalReason.INVALID], None),
        ([RefusalReason.INVALID, RefusalReason.LEASE_LOST], None),
    ],
    ids=str,
)
@in_virtual_time
async def test_an_attempt_whose_result_was_refused_is_told_of_once(
    reasons: list[RefusalReason], told: Outcome | None
) -> None:
    source = MemorySource([a_lease()])
    source.refuse["job-0"] = deque(Refusal(lease=a_lease(), reason=reason, message="bad") for reason in reasons)
    assert await seen_of(source) == [told]


@in_virtual_time
async def test_an_attempt_whose_lease_is_lost_while_it_runs_is_told_of_at_once() -> None:
    async def hang(job: Job) -> None:
        await asyncio.Event().wait()

    seen: list[AttemptEnded] = []
    source = MemorySource([a_lease()])
    source.lost.add("job-0")
    async with running(WorkerRuntime(source, only(hang), observe=seen.append)):
        await source.until(lambda: source.extended)
        await turns()
        assert [ended.outcome for ended in seen] == [None]
