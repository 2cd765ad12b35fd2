"""The handlers that the servers under test run; each writes when it began and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gosynq_client.worker import Handlers, Job
from tests.fault.history import BELL, JOURNAL, Edge, HandlerLine, Journal

handlers = Handlers()
_journal = Journal(Path(os.environ[JOURNAL]))
_bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)


@handlers.register("quick")
async def quick(job: Job) -> dict[str, Any]:
    with _recorded(job):
        return {"attempt": job.attempt}


@handlers.register("last")
async def last(job: Job) -> None:
    """Let those who watch know that nothing follows."""
    with _recorded(job):
        pass


@handlers.register("failing")
async def failing(job: Job) -> None:
    """Fail the first attempts, as many as the payload says."""
    with _recorded(job):
        if job.attempt <= job.payload["failures"]:
            raise RuntimeError("asked to fail")


@handlers.register("slow")
async def slow(job: Job) -> None:
    """Take as long as the payload says."""
    with _recorded(job):
        await asyncio.sleep(job.payload["seconds"])


@handlers.register("slower")
async def slower(job: Job) -> None:
    """Take as long as the payload says, and ten times that from the second lease on."""
    with _recorded(job):
        await asyncio.sleep(job.payload["seconds"] * (1 if job.lease_seq == 1 else 10))


@handlers.register("threaded")
def threaded(job: Job) -> None:
    """Take as long as the payload says, on a thread."""
    with _recorded(job):
        time.sleep(job.payload["seconds"])


@handlers.register("hanging")
async def hanging(job: Job) -> None:
    with _recorded(job):
        await asyncio.Event().wait()


@handlers.register("dying")
async def dying(job: Job) -> None:
    """Take the whole process along."""
    with _recorded(job):
        os._exit(77)


@contextlib.contextmanager
def _recorded(job: Job) -> Iterator[None]:
    _write(job, Edge.START)
    try:
        yield
    except asyncio.CancelledError:
        _write(job, Edge.END, "cancelled")
        raise
    except BaseException:
        _write(job, Edge.END, "error")
        raise
    _write(job, Edge.END, "ok")


def _write(job: Job, edge: Edge, outcome: str = "") -> None:
    line = HandlerLine(
        edge=edge,
        job_id=job.id,
        lease_seq=job.lease_seq,
        attempt=job.attempt,
        pid=os.getpid(),
        wall=time.time(),
        at=time.monotonic(),
        outcome=outcome,
    )
    _journal.write(line)
    if BELL in os.environ:
        _bell.sendto(f"{edge} {job.id} {job.lease_seq} {os.getpid()}".encode(), os.environ[BELL])
