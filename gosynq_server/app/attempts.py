"""What a process that runs jobs has of handlers, and what it tells of attempts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gosynq_client.worker.handlers import DuplicateKind, Handlers
from gosynq_client.worker.loading import HandlersNotLoaded, load_handlers
from gosynq_client.worker.outcomes import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gosynq_client.worker.observing import AttemptEnded

_log = logging.getLogger(__name__)


def load_all_handlers(names: Iterable[str]) -> Handlers | None:
    """Load the handlers that are named, None where none are; raises HandlersNotLoaded."""
    handlers = Handlers()
    for name in names:
        try:
            handlers.include(load_handlers(name))
        except DuplicateKind as error:
            raise HandlersNotLoaded(name, str(error)) from error
    return handlers if handlers.kinds else None


def observer(count: Callable[[AttemptEnded], None]) -> Callable[[AttemptEnded], None]:
    """Return what is to be told of attempts: they are counted, and those that failed logged."""

    def observe(ended: AttemptEnded) -> None:
        count(ended)
        if isinstance(ended.outcome, Failed):
            _log_failure(ended, ended.outcome)

    return observe


def _log_failure(ended: AttemptEnded, outcome: Failed) -> None:
    facts = {
        "job_id": ended.lease.job_id,
        "queue": ended.lease.queue,
        "kind": ended.lease.kind,
        "attempt": ended.lease.attempt,
        "error_type": outcome.error.type,
        "error": outcome.error.message,
    }
    _log.warning("an attempt failed", extra=facts)
