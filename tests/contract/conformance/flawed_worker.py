"""A small worker that is right, unless it is started with the names of flaws to have."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc

from gosynq.v1 import worker_pb2, worker_service_pb2_grpc
from gosynq.v1.worker_service_pb2 import (
    FlowControl,
    JobResults,
    WorkerHeartbeat,
    WorkerHello,
    WorkerWelcome,
    WorkRequest,
)

KINDS = ("echo", "sleep", "long", "fail", "snooze")
ROOM = 5
SOON = 0.1
LOST = worker_pb2.LEASE_STATE_LOST


@dataclass(slots=True, kw_only=True)
class Attempt:
    lease: worker_pb2.LeaseRef
    unbegun: worker_pb2.Lease | None = None
    task: asyncio.Task[None] | None = None
    result: worker_pb2.JobResult | None = None
    cancelled: bool = False


class Worker:
    def __init__(self, target: str, queue: str, flaws: frozenset[str]) -> None:
        self._channel = grpc.aio.insecure_channel(target)
        self._stub = worker_service_pb2_grpc.WorkerServiceStub(self._channel)
        self._queue = queue
        self._flaws = flaws
        self._attempts: dict[Any, Attempt] = {}
        self._outgoing: asyncio.Queue[WorkRequest | None] = asyncio.Queue()
        self._interval = 1.0
        self._welcome = asyncio.Event()
        self._sooner = asyncio.Event()
        self._streams = 0
        self._stopping = False

    def has(self, flaw: str) -> bool:
        return flaw in self._flaws

    async def run(self) -> None:
        if not self.has("deaf"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stop)
        delay = SOON
        while not self._stopping or self._attempts:
            with suppress(grpc.aio.AioRpcError):
                await self._session()
            if not self._stopping or self._attempts:
                await asyncio.sleep(0.01 if self.has("hurries") else delay)
                delay *= 2
        sys.exit(3 if self.has("grumbles") else 0)

    def stop(self) -> None:
        self._stopping = True
        if not self.has("takes-on"):
            self._say(WorkRequest(flow_control=FlowControl(max_in_flight=0)))
        if self.has("leaves-at-once"):
            self._outgoing.put_nowait(None)
        self._close_when_done()

    def _say(self, request: WorkRequest) -> None:
        self._outgoing.put_nowait(request)

    def _close_when_done(self) -> None:
        if self._stopping and not self._attempts:
            self._outgoing.put_nowait(None)

    async def _session(self) -> None:
        self._streams += 1
        self._outgoing = asyncio.Queue()
        call = self._stub.Work()
        helpers = [asyncio.create_task(self._write(call)), asyncio.create_task(self._beat())]
        try:
            self._greet()
            while (response := await call.read()) is not grpc.aio.EOF:
                self._take(response)
        finally:
            for helper in helpers:
                helper.cancel()

    async def _write(self, call: Any) -> None:
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while (request := await self._outgoing.get()) is not None:
                await call.write(request)
            if self.has("hangs-up"):
                os._exit(0)
            await call.done_writing()

    async def _beat(self) -> None:
        sequence = 0
        await self._welcome.wait()
        while not self.has("never-beats"):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval * (3 if self.has("beats-late") else 1)):
                    await self._sooner.wait()
            self._sooner.clear()
            leases = [attempt.lease for attempt in self._attempts.values()]
            sequence += 1
            if leases:
                named = leases[:1] if self.has("names-one") else leases
                self._say(WorkRequest(heartbeat=WorkerHeartbeat(sequence=sequence, leases=named)))

    def _greet(self) -> None:
        hello = WorkerHello(
            worker_id=f"flawed-{os.getpid()}-{self._streams if self.has('renames-itself') else 0}",
            queues=[worker_pb2.QueueSubscription(queue="other" if self.has("other-queue") else self._queue)],
            kinds=KINDS[:-1] if self.has("cannot-snooze") else KINDS,
            max_in_flight=5000 if self.has("boasts") else 0 if self._stopping else ROOM,
            held_leases=[attempt.lease for attempt in self._attempts.values()] if not self.has("forgets-held") else [],
        )
        if self.has("no-hello"):
            self._say(WorkRequest(flow_control=FlowControl(max_in_flight=1)))
        self._say(WorkRequest(hello=hello))
        if self.has("eager"):
            self._say(WorkRequest(flow_control=FlowControl(max_in_flight=ROOM)))

    def _take(self, response: Any) -> None:
        match response.WhichOneof("message"):
            case "welcome":
                self._begin(response.welcome)
            case "leases":
                self._each(self._start, response.leases.leases)
            case "heartbeat_ack":
                self._each(self._heed, response.heartbeat_ack.leases)
            case "result_acks":
                self._each(self._acknowledge, response.result_acks.acks)
            case "cancels":
                self._each(lambda notice: self._cancel(notice.lease, lost=notice.lease_lost), response.cancels.cancels)
            case "go_away":
                self._leave(stop=response.go_away.stop)
            case None if self.has("fears-the-unknown"):
                raise SystemExit("what is this?")

    def _each(self, take: Callable[[Any], None], items: Iterable[Any]) -> None:
        for item in items:
            take(item)

    def _begin(self, welcome: WorkerWelcome) -> None:
        self._interval = welcome.heartbeat_interval.ToTimedelta().total_seconds()
        self._welcome.set()
        self._each(self._heed, welcome.held_leases)
        if results := [each.result for each in self._attempts.values() if each.result is not None]:
            self._say(WorkRequest(results=JobResults(results=results)))

    def _leave(self, *, stop: bool) -> None:
        if stop and not self.has("ignores-stop"):
            self.stop()
        elif not stop and not self.has("stays"):
            self._outgoing.put_nowait(None)

    def _heed(self, status: worker_pb2.LeaseStatus) -> None:
        if status.state == LOST or status.cancel_requested:
            self._cancel(status, lost=status.state == LOST)
        attempt = self._attempts.get(self._key(status))
        if attempt is not None and attempt.unbegun is not None:
            self._begin_attempt(attempt, attempt.unbegun)

    def _key(self, lease: Any) -> Any:
        return lease.lease_token if self.has("goes-by-token") else (lease.job_id, lease.lease_token)

    def _start(self, lease: worker_pb2.Lease) -> None:
        ref = worker_pb2.LeaseRef(job_id=lease.job.id, lease_token=lease.lease_token)
        attempt = self._attempts[self._key(ref)] = Attempt(lease=ref, unbegun=lease)
        left = lease.expires_at.ToDatetime(UTC) - datetime.now(UTC)
        if left > lease.valid_for.ToTimedelta() / 2 or self.has("heedless"):
            self._begin_attempt(attempt, lease)
        elif self.has("squeamish"):
            del self._attempts[self._key(ref)]
        else:
            self._sooner.set()

    def _begin_attempt(self, attempt: Attempt, lease: worker_pb2.Lease) -> None:
        attempt.unbegun = None
        attempt.task = asyncio.create_task(self._perform(attempt, lease.job.kind, json.loads(lease.job.payload_bytes)))

    async def _perform(self, attempt: Attempt, kind: str, payload: Any) -> None:
        result = worker_pb2.JobResult()
        crowded = self.has("gives-back") and len(self._attempts) > 1
        try:
            await self._handle(result, "crowded" if crowded else kind, payload)
        except asyncio.CancelledError:
            if not attempt.cancelled:
                raise
            if self.has("fails-when-cancelled"):
                result.failure.error.message = "cancelled"
            else:
                result.cancelled.SetInParent()
        # Looked up anew, as a worker would whose handlers know nothing but the lease's name.
        attempt = self._attempts.get(self._key(attempt.lease), attempt)
        result.lease.CopyFrom(attempt.lease)
        attempt.result = result
        self._say(WorkRequest(results=JobResults(results=[result])))
        if self.has("forgets-results"):
            self._attempts.pop(self._key(attempt.lease), None)

    async def _handle(self, result: worker_pb2.JobResult, kind: str, payload: Any) -> None:
        match kind:
            case "echo":
                told = {"echo": payload} if self.has("wraps") else payload
                result.success.result_bytes = json.dumps(told).encode()
                result.success.result_content_type = "" if self.has("untyped") else "application/json"
            case "sleep" | "long":
                await asyncio.sleep(0 if kind == "long" and self.has("skips") else payload["seconds"])
                result.success.SetInParent()
            case "fail":
                result.failure.error.message = "oh no" if self.has("mumbles") else payload["message"]
                always, never = self.has("gives-up"), self.has("never-gives-up")
                result.failure.error.non_retryable = always or (payload["non_retryable"] and not never)
            case "snooze" if not self.has("overslept"):
                result.snooze.delay.FromSeconds(1 if self.has("naps") else payload["seconds"])
            case "snooze":
                result.success.SetInParent()
            case "crowded":
                result.release.SetInParent()

    def _acknowledge(self, ack: worker_pb2.JobResultAck) -> None:
        attempt = self._attempts.get(self._key(ack.lease))
        refused = ack.status == worker_pb2.RESULT_STATUS_LEASE_LOST
        repeated = ack.status == worker_pb2.RESULT_STATUS_ALREADY_APPLIED
        if attempt is None or attempt.result is None or (repeated and self.has("waits-for-applied")):
            return
        if refused and self.has("insists"):
            self._say(WorkRequest(results=JobResults(results=[attempt.result])))
            return
        del self._attempts[self._key(ack.lease)]
        if self.has("counts-up"):
            self._say(WorkRequest(flow_control=FlowControl(max_in_flight=1)))
        self._close_when_done()

    def _cancel(self, lease: Any, *, lost: bool) -> None:
        attempt = self._attempts.get(self._key(lease))
        if attempt is None or self.has("ignores-lost" if lost else "ignores-cancel"):
            return
        attempt.cancelled = not lost
        if attempt.task is not None:
            attempt.task.cancel()
        if lost:
            del self._attempts[self._key(lease)]


async def main(flaws: frozenset[str]) -> None:
    await Worker(os.environ["GOSYNQ_TARGET"], os.environ["GOSYNQ_QUEUE"], flaws).run()


if __name__ == "__main__":
    asyncio.run(main(frozenset(sys.argv[1:])))
