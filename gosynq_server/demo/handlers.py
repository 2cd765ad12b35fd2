"""Sample handlers: three that work on files, and seven kinds that every shop has, some of them made to fail at first.

`gosynq up --handlers gosynq_server.demo.handlers` runs them too. A payload's `fails` says how many attempts fail.
"""

from __future__ import annotations

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gosynq_client.worker.answers import Discard, JobFailure, Snooze
from gosynq_client.worker.handlers import Handlers
from gosynq_client.worker.job import Job
from gosynq_server.demo import work
from gosynq_server.demo.files import NoSampleFile, read_sample

handlers = Handlers()

_LARGEST_SIDE = 256
_STEPS = 4


class MailServerDown(ConnectionError):
    """The mail server does not answer."""


@handlers.register("file_checksum")
def file_checksum(job: Job) -> dict[str, Any]:
    """Give the checksum of the file at `path`."""
    return work.checksum(_read(job, "path"))


@handlers.register("word_count")
def word_count(job: Job) -> dict[str, Any]:
    """Count the words of the file at `path`."""
    return work.count_words(_read(job, "path"))


@handlers.register("archive")
def archive(job: Job) -> dict[str, Any]:
    """Zip the files at `paths`."""
    return work.zip_files(_read_all(job))


@handlers.register("email_notification")
async def email_notification(job: Job) -> dict[str, Any]:
    """Write a mail to `to` with a `subject`; the mail server is down for the first attempts."""
    payload = _object(job)
    message = work.write_mail(str(payload.get("to", "")), str(payload.get("subject", "")), f"This is job {job.id}.")
    if job.attempt <= payload.get("fails", 0):
        raise MailServerDown("the mail server does not answer")
    return {"bytes": len(message)}


@handlers.register("data_processing")
async def data_processing(job: Job) -> dict[str, Any]:
    """Measure the lines of the files at `paths`, one after the other, and tell how far it is."""
    files = _read_all(job)
    measured = {}
    for done, (name, data) in enumerate(files.items(), start=1):
        measured[name] = work.measure_lines(data)
        await job.progress(done, len(files), name)
    if job.attempt <= _object(job).get("fails", 0):
        raise ValueError("a record could not be parsed")
    return {"files": measured}


@handlers.register("report_generation")
async def report_generation(job: Job) -> Snooze | dict[str, Any]:
    """Write a report on the files at `paths`, not before `data_ready_at`: until then the job is put off."""
    ready_at = _object(job).get("data_ready_at")
    if ready_at is not None:
        ahead = datetime.fromisoformat(ready_at) - datetime.now(UTC)
        if ahead > timedelta():
            return Snooze(ahead)
    return {"report": work.write_report(_read_all(job)), "leases": job.lease_seq}


@handlers.register("image_resizing")
def image_resizing(job: Job) -> Discard | dict[str, Any]:
    """Draw a picture of `side` pixels and shrink it; one that can't be is given up for good."""
    side = _object(job).get("side")
    if not isinstance(side, int) or not _STEPS <= side <= _LARGEST_SIDE:
        return Discard(f"side is a whole number from {_STEPS} to {_LARGEST_SIDE}, not {side!r}")
    thumbnail = work.encode_png(work.shrink(work.draw(side, side), _STEPS))
    return {"side": side // _STEPS, **work.checksum(thumbnail)}


@handlers.register("api_sync")
async def api_sync(job: Job) -> dict[str, Any]:
    """Page through `items`; the other side asks for patience at first."""
    payload = _object(job)
    if job.attempt <= payload.get("fails", 0):
        raise JobFailure("429 Too Many Requests", type="RateLimited", retry_after=timedelta(milliseconds=300))
    pages = 0
    for _ in range(0, int(payload.get("items", 0)), 100):
        await asyncio.sleep(0.001)  # a round trip to the other side
        pages += 1
    return {"pages": pages}


@handlers.register("backup_task", timeout=timedelta(seconds=30))
def backup_task(job: Job) -> dict[str, Any]:
    """Back the files at `paths` up, and see that they can be restored; a full disk does not get better."""
    if _object(job).get("disk_full"):
        raise OSError("no space left on the backup device")
    return work.back_up(_read_all(job))


@handlers.register("cleanup_task")
def cleanup_task(job: Job) -> dict[str, Any]:
    """Make as many `files` in a folder of its own, and clean up."""
    count = min(int(_object(job).get("files", 0)), 100)
    with tempfile.TemporaryDirectory(prefix="gosynq-cleanup-") as folder:
        for number in range(count):
            (Path(folder) / f"{number}.tmp").write_bytes(job.payload_bytes)
        freed = sum(path.stat().st_size for path in Path(folder).iterdir())
    return {"files": count, "bytes": freed}


def _object(job: Job) -> dict[str, Any]:
    payload = job.payload
    if not isinstance(payload, dict):
        raise JobFailure("the payload is no JSON object", type="InvalidPayload", non_retryable=True)
    return payload


def _read(job: Job, name: str) -> bytes:
    return _sample(_object(job).get(name))


def _read_all(job: Job) -> dict[str, bytes]:
    paths = _object(job).get("paths", [])
    if not isinstance(paths, list):
        raise JobFailure("paths is no list", type="InvalidPayload", non_retryable=True)
    return {str(path): _sample(path) for path in paths}


def _sample(path: object) -> bytes:
    try:
        return read_sample(str(path))
    except NoSampleFile as error:
        raise JobFailure(f"{path!r} is no sample file", type="NoSampleFile", non_retryable=True) from error
