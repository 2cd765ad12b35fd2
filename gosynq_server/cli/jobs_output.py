"""How jobs are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from gosynq_server.cli.output import print_fields, print_json, print_line, print_table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gosynq_client import Attempt, Job

_COLUMNS = ("ID", "QUEUE", "KIND", "STATUS", "PRIORITY", "ATTEMPT", "CREATED", "ERROR")


async def tell_jobs(jobs: AsyncIterator[Job], limit: int, *, json: bool) -> None:
    """Print at most so many jobs: a table, or one document a line as they come."""
    rows = []
    count = 0
    async for job in jobs:
        count += 1
        if json:
            print_json(job)
        else:
            rows.append(_row(job))
        if count >= limit:
            break
    if not json:
        print_table(_COLUMNS, rows)


async def tell_dead_letters(jobs: AsyncIterator[Job], limit: int, *, json: bool) -> None:
    """Print at most so many dead letters: a table, or one document a line as they come."""
    rows = []
    count = 0
    async for job in jobs:
        count += 1
        if json:
            print_json(job)
        else:
            error = job.last_error
            kind = error and error.type
            rows.append((job.id, job.queue, job.kind, job.attempt, job.dead_lettered_at, kind, error and error.message))
        if count >= limit:
            break
    if not json:
        print_table(("ID", "QUEUE", "KIND", "ATTEMPT", "FAILED", "TYPE", "ERROR"), rows)


def tell_job(job: Job, *, json: bool) -> None:
    """Print one job, and below it the stack trace of its last error."""
    if json:
        print_json(job)
        return
    error = job.last_error
    print_fields(
        {
            "id": job.id,
            "queue": job.queue,
            "kind": job.kind,
            "status": job.status.value,
            "priority": job.priority.value,
            "attempt": f"{job.attempt} (at most {job.max_retries} retries)",
            "created": job.created_at,
            "run at": job.run_at,
            "started": job.started_at,
            "finished": job.finished_at,
            "worker": job.locked_by,
            "labels": job.labels,
            "key": job.idempotency_key,
            "concurrency key": job.concurrency_key,
            "ordering key": job.ordering_key,
            "fairness key": job.fairness_key,
            "progress": job.progress and f"{job.progress.current}/{job.progress.total} {job.progress.message}",
            "payload": job.payload,
            "result": job.result,
            "error": error and f"{error.type}: {error.message}",
        }
    )
    for line in error.stack_trace.splitlines() if error else ():
        print_line(f"  {line}")


async def tell_attempts(attempts: AsyncIterator[Attempt], *, json: bool) -> None:
    """Print attempts: a table, or one document a line as they come."""
    rows = []
    async for attempt in attempts:
        if json:
            print_json(attempt)
        else:
            error = attempt.error and f"{attempt.error.type}: {attempt.error.message}"
            rows.append((attempt.attempt, attempt.outcome.value, attempt.started_at, attempt.finished_at, error))
    if not json:
        print_table(("ATTEMPT", "OUTCOME", "STARTED", "FINISHED", "ERROR"), rows)


def tell_end(job: Job, *, json: bool) -> None:
    """Print a job that is over, and exit with 1 unless it completed."""
    tell_job(job, json=json)
    if job.status != "completed":
        raise typer.Exit(1)


def cancelled(job: Job) -> str:
    """Say what a cancel came to."""
    return f"{job.id} is {job.status.value}" + ("; its worker is told" if job.status == "processing" else "")


def retried(job: Job) -> str:
    """Say what a retry came to."""
    return f"{job.id} is {job.status.value}"


def deleted(job_id: str) -> str:
    """Say what a deletion came to."""
    return f"{job_id} is deleted"


def _row(job: Job) -> tuple[object, ...]:
    error = job.last_error and job.last_error.message
    return (job.id, job.queue, job.kind, job.status.value, job.priority.value, job.attempt, job.created_at, error)
