"""A small run in which all went well, to be spoiled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lifecycle import EventType
from tests.fault.history import ClientLine, DeathLine, Edge, HandlerLine, History, Step, Verb
from tests.fault.tables import AttemptRow, EventRow, JobRow, Tables

DONE, LOST, CANCELLED = "job-done", "job-lost", "job-cancelled"

_BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


def moment(seconds: float) -> datetime:
    """Return the database's time so many seconds into the run; handlers' clocks read the same."""
    return _BEGIN + timedelta(seconds=seconds)


def client_line(step: Step, key: str, at: float, *, verb: Verb = Verb.ENQUEUE, job_id: str = "") -> ClientLine:
    told = JobStatus.CANCELLED.value if verb is Verb.CANCEL and step is Step.OK else ""
    return ClientLine(step=step, verb=verb, key=key, job_id=job_id, told=told, at=at)


def handler_line(edge: Edge, job_id: str, lease_seq: int, at: float, *, outcome: str = "ok") -> HandlerLine:
    return HandlerLine(
        edge=edge,
        job_id=job_id,
        lease_seq=lease_seq,
        attempt=lease_seq,
        pid=lease_seq,
        wall=moment(at).timestamp(),
        at=at,
        outcome=outcome if edge is Edge.END else "",
    )


def event(job_id: str, revision: int, type_: EventType, status: JobStatus, at: float) -> EventRow:
    return EventRow(job_id=job_id, type=type_, status=status, revision=revision, occurred_at=moment(at))


def job_row(job_id: str, status: JobStatus, revision: int, *, lease_seq: int, deliveries: int) -> JobRow:
    return JobRow(
        id=job_id,
        status=status,
        key=f"key-of-{job_id}",
        revision=revision,
        lease_seq=lease_seq,
        failures=0,
        deliveries=deliveries,
        max_retries=None,
        max_deliveries=None,
        lease_duration=None,
        attempt_timeout=None,
        finished_at=moment(30),
    )


def good_history() -> History:
    """One job that was done at once; one whose worker, process 1, was frozen for a while; one cancelled in time."""
    return History(
        client=[
            client_line(Step.INVOKE, f"key-of-{DONE}", 0),
            client_line(Step.UNKNOWN, f"key-of-{DONE}", 0.1),
            client_line(Step.INVOKE, f"key-of-{DONE}", 0.2),
            client_line(Step.OK, f"key-of-{DONE}", 0.3, job_id=DONE),
            client_line(Step.INVOKE, f"key-of-{LOST}", 1),
            client_line(Step.OK, f"key-of-{LOST}", 1.1, job_id=LOST),
            client_line(Step.INVOKE, f"key-of-{CANCELLED}", 2),
            client_line(Step.OK, f"key-of-{CANCELLED}", 2.1, job_id=CANCELLED),
            client_line(Step.INVOKE, f"key-of-{CANCELLED}", 2.2, verb=Verb.CANCEL, job_id=CANCELLED),
            client_line(Step.OK, f"key-of-{CANCELLED}", 2.3, verb=Verb.CANCEL, job_id=CANCELLED),
        ],
        handlers=[
            handler_line(Edge.START, DONE, 1, 0.5),
            handler_line(Edge.END, DONE, 1, 0.6),
            handler_line(Edge.START, LOST, 1, 2),
            handler_line(Edge.START, LOST, 2, 5),
            handler_line(Edge.END, LOST, 1, 5.5),
            handler_line(Edge.END, LOST, 2, 6),
        ],
        deaths=[DeathLine(pid=3, at=9)],
    )


def good_tables() -> Tables:
    """The tables that the good history should leave."""
    pending, processing, completed = JobStatus.PENDING, JobStatus.PROCESSING, JobStatus.COMPLETED
    return Tables(
        jobs=[
            job_row(DONE, completed, 3, lease_seq=1, deliveries=1),
            job_row(LOST, completed, 5, lease_seq=2, deliveries=2),
            job_row(CANCELLED, JobStatus.CANCELLED, 2, lease_seq=0, deliveries=0),
        ],
        events=[
            event(DONE, 1, EventType.CREATED, pending, 0.25),
            event(DONE, 2, EventType.STARTED, processing, 0.4),
            event(DONE, 3, EventType.SUCCEEDED, completed, 0.7),
            event(LOST, 1, EventType.CREATED, pending, 1),
            event(LOST, 2, EventType.STARTED, processing, 1.9),
            event(LOST, 3, EventType.FAILED, pending, 4),
            event(LOST, 4, EventType.STARTED, processing, 4.9),
            event(LOST, 5, EventType.SUCCEEDED, completed, 6.1),
            event(CANCELLED, 1, EventType.CREATED, pending, 2),
            event(CANCELLED, 2, EventType.CANCELLED, JobStatus.CANCELLED, 2.25),
        ],
        attempts=[
            AttemptRow(job_id=LOST, lease_seq=1, outcome="lease_expired", started_at=moment(1.9), finished_at=moment(4))
        ],
    )
