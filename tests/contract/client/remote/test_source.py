"""Leases over a real stream to a server that a test leads: credits, results, heartbeats and cancels."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from time import monotonic

import pytest

from gosynq_client.remote.source import StreamLeaseSource
from gosynq_client.worker.leases import Exchange, Extension, Lease, LeaseState, ProgressReport, RefusalReason, Result
from gosynq_client.worker.outcomes import Released, Succeeded
from tests.contract.client.remote.conftest import Heard
from tests.contract.client.remote.sessions import (
    ALREADY_APPLIED,
    LEASE_LOST,
    LOST,
    Session,
    SessionServer,
    a_grant,
    a_status,
)

pytestmark = pytest.mark.usefixtures("running")

A_WHILE = timedelta(seconds=10)
NOTHING = Exchange(leases=[], refusals=[])


async def held_by(source: StreamLeaseSource, session: Session, *jobs: str) -> list[Lease]:
    """Have the runtime's side hold leases of jobs, with no room for more."""
    asking = asyncio.create_task(source.exchange((), len(jobs)))
    assert await session.limit() == len(jobs)
    await asking
    await session.grant(*map(a_grant, jobs))
    return await taken(source, len(jobs))


async def taken(source: StreamLeaseSource, count: int) -> list[Lease]:
    """Take what comes, as a runtime that wants so many does."""
    leases: list[Lease] = []
    while len(leases) < count:
        await source.wait(A_WHILE)
        leases += (await source.exchange((), count - len(leases))).leases
    return leases


def done(lease: Lease) -> Result:
    return Result(lease=lease, outcome=Succeeded())


async def test_a_hello_says_who_comes_and_what_it_takes(sessions: SessionServer) -> None:
    hello = await (await sessions.next()).welcome()
    assert (hello.worker_id, list(hello.kinds), hello.max_in_flight) == ("w-1", ["send"], 0)
    assert [(queue.queue, queue.weight) for queue in hello.queues] == [("mail", 3), ("slow", 1)]
    assert [queue.HasField("max_in_flight") for queue in hello.queues] == [False, True]
    assert (hello.runtime.build, hello.runtime.sdk[:13]) == ("1.2", "gosynq-python")


async def test_the_limit_is_what_is_held_and_what_is_wanted_beside_it(
    sessions: SessionServer, source: StreamLeaseSource
) -> None:
    session = await sessions.next()
    await session.welcome()
    leases = await held_by(source, session, "a", "b", "c")
    # One ends and one is wanted in its place: nothing is to be said of the limit.
    settling = asyncio.create_task(source.exchange([done(leases[0])], 1))
    await session.acknowledge(await session.results())
    assert await settling == NOTHING
    # None is wanted in the place of the next.
    settling = asyncio.create_task(source.exchange([done(leases[1])], 0))
    assert await session.limit() == 1
    await session.acknowledge(await session.results())
    assert await settling == NOTHING


async def test_what_waits_to_be_taken_is_part_of_what_is_wanted(
    sessions: SessionServer, source: StreamLeaseSource
) -> None:
    session = await sessions.next()
    await session.welcome()
    asking = asyncio.create_task(source.exchange((), 3))
    assert await session.limit() == 3
    await asking
    await session.grant(a_grant("a"), a_grant("b"))
    await source.wait(A_WHILE)
    # 3 are still wanted, and 2 of them are here.
    leases = (await source.exchange((), 3)).leases
    assert [lease.job_id for lease in leases] == ["a", "b"]
    # The next message is no change of the limit.
    beating = asyncio.create_task(source.extend(leases))
    assert await session.answer_heartbeat() == ["a", "b"]
    assert await beating == []


async def test_no_more_is_asked_for_than_a_server_may_hand_out(
    sessions: SessionServer, source: StreamLeaseSource
) -> None:
    session = await sessions.next()
    await session.welcome()
    asking = asyncio.create_task(source.exchange((), 5000))
    assert await session.limit() == 1000
    await asking


async def test_a_lease_is_taken_as_the_server_gave_it(sessions: SessionServer, source: StreamLeaseSource) -> None:
    session = await sessions.next()
    await session.welcome()
    [lease] = await held_by(source, session, "a")
    assert (lease.job_id, lease.queue, lease.kind, lease.payload) == ("a", "mail", "send", b"{}")
    assert (lease.lease_token, lease.lease_seq, lease.lease_duration) == ("token", 1, timedelta(seconds=30))


async def test_results_are_refused_one_by_one(sessions: SessionServer, source: StreamLeaseSource) -> None:
    session = await sessions.next()
    await session.welcome()
    leases = await held_by(source, session, "a", "b", "c")
    settling = asyncio.create_task(source.exchange(list(map(done, leases)), 3))
    results = await session.results()
    await session.acknowledge(results[2:], LEASE_LOST)
    await session.acknowledge(results[:1])
    await session.acknowledge(results[1:2], ALREADY_APPLIED)
    exchange = await settling
    assert {refusal.lease.job_id: refusal.reason for refusal in exchange.refusals} == {
        "b": RefusalReason.ALREADY_APPLIED,
        "c": RefusalReason.LEASE_LOST,
    }


async def test_results_go_in_messages_that_a_server_takes(sessions: SessionServer, source: StreamLeaseSource) -> None:
    session = await sessions.next()
    await session.welcome()
    leases = await held_by(source, session, "a", "b", "c", "d")
    results = [
        Result(lease=lease, outcome=Succeeded(result=b"x" * size, content_type="text/plain"))
        for lease, size in zip(leases, (600_000, 600_000, 10, 4_000_000), strict=True)
    ]
    settling = asyncio.create_task(source.exchange(results, 4))
    for expected in (["a"], ["b", "c"]):
        group = await session.results()
        assert [result.lease.job_id for result in group] == expected
        await session.acknowledge(group)
    [refusal] = (await settling).refusals
    assert (refusal.lease.job_id, refusal.reason) == ("d", RefusalReason.INVALID)
    assert refusal.message == "the result has 4000000 bytes; no server takes more than 3145728"


async def test_leases_that_wait_to_be_taken_are_kept_alive_with_the_others(
    sessions: SessionServer, source: StreamLeaseSource
) -> None:
    session = await sessions.next()
    await session.welcome()
    [held] = await held_by(source, session, "a")
    await session.grant(a_grant("b"), a_grant("c"))
    await source.wait(A_WHILE)
    beating = asyncio.create_task(source.extend([held]))
    named = await session.answer_heartbeat(a_status("a"), a_status("b", LOST), a_status("c"))
    assert named == ["a", "b", "c"]
    assert await beating == [Extension(lease=held, state=LeaseState.ACTIVE)]
    # One that was lost while it waited is never run.
    assert [lease.job_id for lease in (await source.exchange((), 1)).leases] == ["c"]


async def test_a_lease_that_the_answer_leaves_out_is_left_as_it_was(
    sessions: SessionServer, source: StreamLeaseSource
) -> None:
    session = await sessions.next()
    await session.welcome()
    first, second = await held_by(source, session, "a", "b")
    beating = asyncio.create_task(source.extend([first, second]))
    await session.answer_heartbeat(a_status("b", LOST), a_status("stranger"))
    assert await beating == [Extension(lease=second, state=LeaseState.LOST)]


async def test_a_newer_lease_of_a_job_takes_the_place_of_the_older(
    sessions: SessionServer, source: StreamLeaseSource
) -> None:
    session = await sessions.next()
    await session.welcome()
    await held_by(source, session, "a")
    await session.grant(a_grant("a", token="newer", sequence=2))
    await source.wait(A_WHILE)
    session.end()
    hello = await (await sessions.next()).welcome()
    assert [lease.lease_token for lease in hello.held_leases] == ["newer"]


async def test_a_cancel_is_passed_on_at_once(sessions: SessionServer, source: StreamLeaseSource, heard: Heard) -> None:
    session = await sessions.next()
    await session.welcome()
    await held_by(source, session, "a")
    await session.write(cancels={"cancels": [{"lease": {"job_id": "a", "lease_token": "token"}, "reason": "why"}]})
    assert await heard.cancels.get() == ("a", "why")


async def test_a_cancel_of_a_lease_that_waits_is_passed_on_once_it_is_taken(
    sessions: SessionServer, source: StreamLeaseSource, heard: Heard
) -> None:
    session = await sessions.next()
    await session.welcome()
    asking = asyncio.create_task(source.exchange((), 1))
    await session.limit()
    await asking
    await session.grant(a_grant("a"))
    await session.write(cancels={"cancels": [{"lease": {"job_id": "a", "lease_token": "token"}, "reason": "why"}]})
    beating = asyncio.create_task(source.extend([]))
    await session.answer_heartbeat(a_status("a", cancel_requested=True))
    assert await beating == []
    assert heard.cancels.empty()
    [lease] = (await source.exchange((), 1)).leases
    assert lease.job_id == "a"
    assert heard.cancels.empty()
    assert await heard.cancels.get() == ("a", "why")


async def test_a_cancel_that_voids_a_lease_is_its_loss(
    sessions: SessionServer, source: StreamLeaseSource, heard: Heard
) -> None:
    session = await sessions.next()
    await session.welcome()
    await held_by(source, session, "a")
    await session.grant(a_grant("b"))
    await source.wait(A_WHILE)
    for job_id in ("a", "b"):
        notice = {"lease": {"job_id": job_id, "lease_token": "token"}, "reason": "forced", "lease_lost": True}
        await session.write(cancels={"cancels": [notice]})
        assert await heard.losses.get() == (job_id, "token")
    assert heard.cancels.empty()
    # Neither is open any more: one may be there for the one that is wanted.
    asking = asyncio.create_task(source.exchange((), 2))
    assert await session.limit() == 2
    assert await asking == NOTHING


async def test_leases_that_come_late_are_asked_for_before_a_handler_begins(
    sessions: SessionServer, source: StreamLeaseSource
) -> None:
    session = await sessions.next()
    await session.welcome()
    asking = asyncio.create_task(source.exchange((), 3))
    await session.limit()
    await asking
    late = timedelta(seconds=40)
    await session.grant(a_grant("a", age=late), a_grant("b"), a_grant("c", age=late))
    await source.wait(A_WHILE)
    taking = asyncio.create_task(source.exchange((), 3))
    assert await session.answer_heartbeat(a_status("a", LOST), a_status("b"), a_status("c")) == ["a", "b", "c"]
    assert [lease.job_id for lease in (await taking).leases] == ["b", "c"]


async def test_leases_that_waited_here_while_the_worker_was_paused_are_asked_for(
    sessions: SessionServer, source: StreamLeaseSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await sessions.next()
    await session.welcome()
    asking = asyncio.create_task(source.exchange((), 2))
    await session.limit()
    await asking
    await session.grant(a_grant("a"), a_grant("b"))
    await source.wait(A_WHILE)
    resumed = monotonic() + 16
    monkeypatch.setattr("gosynq_client.remote.source.monotonic", lambda: resumed)
    taking = asyncio.create_task(source.exchange((), 2))
    assert await session.answer_heartbeat(a_status("a", LOST), a_status("b")) == ["a", "b"]
    exchange = await taking
    assert ([lease.job_id for lease in exchange.leases], exchange.granted_at) == (["b"], resumed)


async def test_leases_are_told_with_the_moment_from_which_they_have_their_time(
    sessions: SessionServer, source: StreamLeaseSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gosynq_client.remote.source.monotonic", lambda: 1000.0)
    session = await sessions.next()
    await session.welcome()
    asking = asyncio.create_task(source.exchange((), 1))
    await session.limit()
    await asking
    await session.grant(a_grant("a"))
    await source.wait(A_WHILE)
    # Half of it may have gone by on its way.
    assert (await source.exchange((), 1)).granted_at == 985.0


async def test_progress_is_told_in_one_message(sessions: SessionServer, source: StreamLeaseSource) -> None:
    session = await sessions.next()
    await session.welcome()
    leases = await held_by(source, session, "a", "b")
    reports = [ProgressReport(lease=lease, current=1, total=2, message="half") for lease in leases]
    await source.report_progress(reports)
    request = await session.read()
    assert request is not None
    told = [(report.lease.job_id, report.progress.message) for report in request.progress.reports]
    assert told == [("a", "half"), ("b", "half")]


async def test_at_a_stop_no_more_is_taken_and_what_still_comes_goes_back(
    sessions: SessionServer, source: StreamLeaseSource
) -> None:
    session = await sessions.next()
    await session.welcome()
    [held] = await held_by(source, session, "a")
    refusing = asyncio.create_task(source.take_no_more())
    assert await session.limit() == 0
    await session.grant(a_grant("b"))
    given_back = await sessions.extended.get()
    assert [lease.job_id for lease in given_back.leases] == ["b"]
    assert given_back.HasField("extend_by")
    assert given_back.extend_by.ToTimedelta() == timedelta()
    # What runs is still settled, and nothing is said of a limit again.
    settling = asyncio.create_task(source.exchange([Result(lease=held, outcome=Released())], 0))
    await session.acknowledge(await session.results())
    assert await settling == NOTHING
    refusing.cancel()


async def test_what_comes_after_the_last_exchange_goes_back_once_the_server_has_ended_the_stream(
    sessions: SessionServer, source: StreamLeaseSource, running: asyncio.Task[None], heard: Heard
) -> None:
    session = await sessions.next()
    await session.welcome()
    assert await heard.connections.get() is True
    leaving = asyncio.create_task(source.leave())
    assert await session.read() is None
    await session.grant(a_grant("a"))
    session.end()
    await leaving
    assert [lease.job_id for lease in sessions.extended.get_nowait().leases] == ["a"]
    await running
    assert sessions.opened.empty()
