"""Which jobs a command is about: the options that say it, as a filter of the contract's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gosynq_server.cli import arguments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gosynq_client.bulk import BulkOptions

# What a filter has to say where every job is meant.
_EVERY = 'id != ""'

Queues = Annotated[list[str] | None, typer.Option(help="Only of this queue; repeatable.")]
Kinds = Annotated[list[str] | None, typer.Option(help="Only of this kind; repeatable.")]
Where = Annotated[
    str, typer.Option("--filter", help='Such as: labels.tenant = "acme" AND attempt > 1; OR binds tighter than AND.')
]
All = Annotated[bool, typer.Option("--all", help="Every one.")]
Since = Annotated[
    str, typer.Option(metavar="DURATION|MOMENT", help="Failed since so long ago (10m), or then (2030-01-31T12:00:00Z).")
]
Until = Annotated[str, typer.Option(metavar="DURATION|MOMENT", help="Failed before so long ago, or before then.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChoice:
    """Which of all jobs."""

    status: Annotated[
        list[str] | None, typer.Option(help="pending, processing, completed, failed or cancelled; repeatable.")
    ] = None
    queue: Queues = None
    kind: Kinds = None
    where: Where = ""
    all: All = False

    def options(self) -> BulkOptions:
        """Say which jobs are meant. Raises a usage error where nothing does."""
        from gosynq_client import JobStatus  # noqa: PLC0415 - --help shall not wait for gRPC

        statuses = arguments.words(JobStatus, self.status or [], "--status")
        conditions = [
            _one_of("status", statuses),
            _one_of("queue", self.queue or ()),
            _one_of("kind", self.kind or ()),
            self.where,
        ]
        return {"filter": _joined(conditions, every=self.all, options="--filter, --queue, --kind, --status")}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterChoice:
    """Which of the dead letters, where no ids say it."""

    queue: Queues = None
    kind: Kinds = None
    error_type: Annotated[str, typer.Option(help="Only with this class of last error.")] = ""
    since: Since = ""
    until: Until = ""
    where: Where = ""
    all: All = False

    def options(self, job_ids: list[str]) -> BulkOptions:
        """Say which dead letters are meant. Raises a usage error where nothing does, or too much."""
        now = datetime.now(UTC)
        conditions = [
            _one_of("queue", self.queue or ()),
            _one_of("kind", self.kind or ()),
            _one_of("error_type", [self.error_type] if self.error_type else ()),
            _compared("finished_at >=", arguments.since(self.since, "--since", now=now)),
            _compared("finished_at <", arguments.since(self.until, "--until", now=now)),
            self.where,
        ]
        if not job_ids:
            options = "ids, --filter, --queue, --kind, --error-type, --since, --until"
            return {"filter": _joined(conditions, every=self.all, options=options)}
        if any(conditions) or self.all:
            raise typer.BadParameter("either ids say which jobs, or options do", param_hint="JOB_IDS")
        return {"job_ids": job_ids}


def _joined(conditions: list[str], *, every: bool, options: str) -> str:
    said = [condition for condition in conditions if condition]
    if bool(said) == every:
        problem = "it excludes what says less" if said else f"say which jobs by {options}, or say --all"
        raise typer.BadParameter(problem, param_hint="--all")
    if len(said) == 1:
        # As it was typed, so that a refusal names the right position in it.
        return said[0]
    return " AND ".join(f"({condition})" for condition in said) or _EVERY


def _one_of(field: str, values: Iterable[str]) -> str:
    return " OR ".join(f"{field} = {_quoted(value)}" for value in values)


def _compared(what: str, moment: datetime | None) -> str:
    return "" if moment is None else f'{what} "{moment.isoformat()}"'


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
