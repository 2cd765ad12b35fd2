"""How jobs end: outcomes, and the acknowledgement of them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from google.protobuf import json_format

from gosynq_server.conformance.reports import NotAsExpected

if TYPE_CHECKING:
    from gosynq.v1 import job_pb2, worker_pb2
    from gosynq_server.conformance.book import HandedOut
    from gosynq_server.conformance.stage import Stage

_SNOOZED = 7
_SHOWN = 100
_PAYLOADS: tuple[dict[str, object], ...] = (
    {"n": 1, "text": "Grüße, 世界 \U0001f600"},
    {"n": 2, "list": [1, 2.5, None, True], "object": {"empty": {}}},
    {"n": 3, "text": 'a "quoted" line\n'},
    {"n": 4},
)


async def echo(stage: Stage) -> str:
    """Return what came."""
    leases = await stage.fill("echo", _PAYLOADS)
    for payload in _PAYLOADS[len(leases) :]:
        leases += await stage.hand_out("echo", payload)
    for lease, payload in zip(leases, _PAYLOADS, strict=True):
        result = await stage.outcome(lease, "success")
        if (returned := _returned(result)) != payload:
            shown = json.dumps(returned, ensure_ascii=False)[:_SHOWN]
            raise NotAsExpected(f"{json.dumps(payload, ensure_ascii=False)} came back as {shown}")
    return f"{len(leases)} payloads came back"


async def fail(stage: Stage) -> str:
    """Fail so that the job is tried again."""
    error = await _failed(stage, non_retryable=False)
    if error.non_retryable:
        raise NotAsExpected("the failure is non_retryable, which was not asked for")
    return f"{error.type or 'no type'}: {error.message}"


async def non_retryable(stage: Stage) -> str:
    """Fail for good."""
    error = await _failed(stage, non_retryable=True)
    if not error.non_retryable:
        raise NotAsExpected("the failure is not non_retryable, which was asked for")
    return f"{error.type or 'no type'}: {error.message}"


async def snooze(stage: Stage) -> str:
    """Put a job off."""
    [lease] = await stage.hand_out("snooze", {"seconds": _SNOOZED})
    delay = (await stage.outcome(lease, "snooze")).snooze.delay.ToTimedelta()
    if delay != timedelta(seconds=_SNOOZED):
        raise NotAsExpected(f"snoozed for {delay.total_seconds():g} s, not for {_SNOOZED} s")
    return f"snoozed for {_SNOOZED} s"


async def already_applied(stage: Stage) -> str:
    """Take ALREADY_APPLIED for an acknowledgement as good as any."""
    [lease] = await stage.hand_out("echo", {})
    lease.applied_before = True
    await stage.outcome(lease, "success")
    return await _let_go(stage, lease)


async def refused(stage: Stage) -> str:
    """Take LEASE_LOST for the end of the matter."""
    [lease] = await stage.hand_out("echo", {})
    lease.lost = True  # before any heartbeat could tell
    await stage.outcome(lease, "success")
    return await _let_go(stage, lease)


async def _let_go(stage: Stage, lease: HandedOut) -> str:
    """See that a lease whose result was answered is settled: not repeated, not extended, no room lost."""
    await stage.watch(stage.timing.interval / 2)
    begun = len(stage.session.beats)
    await stage.watch(
        2 * stage.timing.interval,
        lambda: (
            "the lease was extended although its result had been answered"
            if any(lease.key in beat.leases for beat in stage.session.beats[begun:])
            else "the result was sent again although it had been answered"
            if len(lease.results) > 1
            else None
        ),
    )
    [after] = await stage.hand_out("echo", {})
    await stage.outcome(after, "success")
    return "the lease was let go of"


async def _failed(stage: Stage, *, non_retryable: bool) -> job_pb2.JobError:
    message = "no luck today"
    [lease] = await stage.hand_out("fail", {"message": message, "non_retryable": non_retryable})
    error = (await stage.outcome(lease, "failure")).failure.error
    if message not in error.message:
        raise NotAsExpected(f"the failure's message is {error.message!r}, not {message!r}")
    return error


def _returned(result: worker_pb2.JobResult) -> object:
    success = result.success
    match success.WhichOneof("output"):
        case "result":
            return json_format.MessageToDict(success.result)
        case "result_bytes":
            try:
                returned: object = json.loads(success.result_bytes)
            except ValueError:
                return repr(success.result_bytes)
            return returned
        case _:
            return None
