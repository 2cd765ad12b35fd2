"""The worker runtime: runs registered handlers on leases from any source; it knows no transport."""

from gosynq_client.worker.answers import Answer, Discard, JobFailure, Snooze
from gosynq_client.worker.handlers import DuplicateKind, Handlers
from gosynq_client.worker.job import Job
from gosynq_client.worker.loading import HandlersNotLoaded, load_handlers
from gosynq_client.worker.observing import AttemptEnded
from gosynq_client.worker.options import RuntimeOptions
from gosynq_client.worker.runtime import WorkerRuntime
from gosynq_client.worker.source import LeaseSource, SourceUnavailable

__all__ = [
    "Answer",
    "AttemptEnded",
    "Discard",
    "DuplicateKind",
    "Handlers",
    "HandlersNotLoaded",
    "Job",
    "JobFailure",
    "LeaseSource",
    "RuntimeOptions",
    "Snooze",
    "SourceUnavailable",
    "WorkerRuntime",
    "load_handlers",
]
