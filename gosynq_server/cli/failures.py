"""What a failed command tells: a line for people, or one JSON object for programs, both on standard error."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

from gosynq_server.cli.connection import NoAnswer, NoServer
from gosynq_server.cli.fields import option_of
from gosynq_server.cli.output import as_json_line
from gosynq_server.config import ConfigError
from gosynq_server.domain.errors import GosynqError, Retryable
from gosynq_server.telemetry.text import printable

if TYPE_CHECKING:
    from gosynq_client import GosynqError as ServerSaid

FAILED = 1
MISUSED = 2

# typer exports only the subclass; what both it and click call a usage error is its parent.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a command failed: its exit status, the name of a gRPC code, a stable reason, words, and the facts."""

    status: int = FAILED
    code: str = "FAILED_PRECONDITION"
    reason: str
    message: str
    details: Mapping[str, object] = field(default_factory=dict)

    def tell(self, *, json: bool, job_id: str = "") -> int:
        """Write it to standard error, as that of one job among several if need be, and return the exit status."""
        if json:
            details = {"job_id": job_id, **self.details} if job_id else self.details
            error = {"code": self.code, "reason": self.reason, "message": self.message, "details": details}
            lines = [as_json_line({"error": error})]
        else:
            about = f"{printable(job_id)}: " if job_id else ""
            lines = [f"gosynq: {about}{printable(line)}" for line in self.message.splitlines()]
        sys.stderr.writelines(f"{line}\n" for line in lines)
        return self.status


def failure_of(error: Exception) -> Failure | None:
    """Say what an expected error comes to; None for a bug, whose traceback is wanted."""
    match error:
        case _UsageError():
            message = error.format_message()  # type: ignore[attr-defined]  # see _UsageError
            return Failure(status=MISUSED, code="INVALID_ARGUMENT", reason="USAGE", message=message)
        case ConfigError():
            details = {"problems": error.problems}
            return _misused("SETTING_INVALID", error, details)
        case ExceptionGroup(exceptions=(only,)):
            return failure_of(only)
        case _:
            return _of_client(error) or _of_server(error)


def _of_client(error: Exception) -> Failure | None:
    """Say what the client's own errors, and those of its handlers, come to."""
    from gosynq_client import GosynqError as ServerSaid  # noqa: PLC0415 - --help shall not wait for gRPC
    from gosynq_client import JobNotDone  # noqa: PLC0415 - as above
    from gosynq_client.worker.loading import HandlersNotLoaded  # noqa: PLC0415 - as above

    match error:
        case HandlersNotLoaded():
            return _misused(_named(error), error, {"handlers": error.name})
        case JobNotDone():
            details: Mapping[str, object] = {"job_id": error.job.id, "status": error.job.status}
            return Failure(code="DEADLINE_EXCEEDED", reason=_named(error), message=str(error), details=details)
        case ServerSaid():
            return Failure(code=error.code, reason=error.reason, message=_with_options(error), details=_facts(error))
        case _:
            return None


def _of_server(error: Exception) -> Failure | None:
    """Say what errors of this program's own come to."""
    from gosynq_server.store.connection import DatabaseUrlUnusable  # noqa: PLC0415 - as above

    match error:
        case DatabaseUrlUnusable():
            return _misused(_named(error), error, error.metadata)
        case GosynqError():
            reason = _named(error) if error.reason == GosynqError.reason else error.reason
            return Failure(code=_code(error), reason=reason, message=str(error), details=error.metadata)
        case OSError():
            return Failure(code="UNKNOWN", reason="OS_ERROR", message=str(error))
        case _:
            return None


def _misused(reason: str, error: Exception, details: Mapping[str, object]) -> Failure:
    return Failure(status=MISUSED, code="INVALID_ARGUMENT", reason=reason, message=str(error), details=details)


def _code(error: GosynqError) -> str:
    match error:
        case NoServer() | Retryable():
            return "UNAVAILABLE"
        case NoAnswer():
            return "DEADLINE_EXCEEDED"
        case _:
            return "FAILED_PRECONDITION"


def _with_options(error: ServerSaid) -> str:
    """Give what a server said, each field of the request that it names beside the option that sets it."""
    message = str(error)
    for violation in error.violations:
        option = option_of(violation.field)
        if option:
            message = message.replace(f"{violation.field}:", f"{option} ({violation.field}):")
    return message


def _facts(error: ServerSaid) -> dict[str, object]:
    """Give what a server said beside its words, less what it left out."""
    facts = {"violations": error.violations, "retry_after": error.retry_after}
    return {**error.metadata, **{name: fact for name, fact in facts.items() if fact}}


def _named(error: Exception) -> str:
    """Name a situation as its class is named: NO_SERVER for NoServer."""
    return _WORD_START.sub("_", type(error).__name__).upper()
