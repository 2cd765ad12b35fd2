"""How a worker ends."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq.v1.worker_service_pb2 import GoAway, WorkResponse
from gosynq_server.conformance.reports import NotAsExpected

if TYPE_CHECKING:
    from gosynq_server.conformance.book import HandedOut
    from gosynq_server.conformance.stage import Stage

_JOB_SECONDS = 2
_STARTED = timedelta(seconds=0.3)


async def drain(stage: Stage) -> str:
    """Stop at SIGTERM: take no more, finish, close the stream."""
    lease = await _running(stage)
    stage.may_end()
    stage.process.terminate()
    return await _leaves(stage, lease)


async def go_away_stop(stage: Stage) -> str:
    """Stop when the server says so, as at SIGTERM."""
    lease = await _running(stage)
    stage.may_end()
    stage.session.send(WorkResponse(go_away=GoAway(reason="the worker is to be drained", stop=True)))
    return await _leaves(stage, lease)


async def _running(stage: Stage) -> HandedOut:
    [lease] = await stage.hand_out("sleep", {"seconds": _JOB_SECONDS})
    await stage.watch(_STARTED)
    return lease


async def _leaves(stage: Stage, lease: HandedOut) -> str:
    session = stage.session
    await stage.until(
        lambda: session.limit == 0 or lease.results or session.has_ended,
        "no FlowControl with 0 came",
    )
    if session.limit != 0:
        raise NotAsExpected("no FlowControl with 0 came before " + ("the job's end" if lease.results else "the end"))
    await stage.until(
        lambda: lease.results or session.has_ended,
        "the job that ran did not end",
        timedelta(seconds=_JOB_SECONDS) + stage.timing.patience,
    )
    if not lease.results:
        raise NotAsExpected("the stream ended before the job that ran")
    await stage.outcome(lease, "success")
    await stage.until(lambda: session.has_ended, "the stream was not closed")
    if not session.has_closed:
        raise NotAsExpected("the stream was broken off: the worker did not close its side and wait for the end")
    await stage.ended()
    return "no more leases, the job finished, the stream closed, status 0"
