"""Where the command line meets the caller: exit statuses, and expected errors as one clear line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import typer

from gosynq_server.cli.application import app
from gosynq_server.config import ConfigError
from gosynq_server.domain.errors import GosynqError
from gosynq_server.telemetry.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = 1
MISUSED = 2

# typer exports only the subclass; what both it and click call a usage error is its parent.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return the exit status; what is expected to go wrong is told on standard error."""
    command = typer.main.get_command(app)
    try:
        status = command.main(list(arguments) or ["--help"], prog_name="gosynq", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has had enough. The interpreter would fail once more when it flushes what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        told = _told(error)
        if told is None:
            raise
        return told
    return status if isinstance(status, int) else 0


def _told(error: Exception) -> int | None:
    """Tell an expected error and return the status for it; None for a bug, whose traceback is wanted."""
    from gosynq_client import GosynqError as ServerSaid  # noqa: PLC0415 - --help shall not wait for gRPC
    from gosynq_client.worker.handlers import DuplicateKind  # noqa: PLC0415 - as above
    from gosynq_client.worker.loading import HandlersNotLoaded  # noqa: PLC0415 - as above

    match error:
        case _UsageError():
            return _say(error.format_message(), MISUSED)  # type: ignore[attr-defined]  # see _UsageError
        case ConfigError() | HandlersNotLoaded() | DuplicateKind():
            return _say(str(error), MISUSED)
        case GosynqError() | ServerSaid() | OSError():
            return _say(str(error), FAILED)
        case ExceptionGroup(exceptions=(only,)):
            return _told(only)
        case _ if _is_port_taken(error):
            return _say(str(error), FAILED)
        case _:
            return None


def _is_port_taken(error: Exception) -> bool:
    from gosynq_server.rpc.server import PortTaken  # noqa: PLC0415 - a usage error shall not wait for the server

    return isinstance(error, PortTaken)


def _say(message: str, status: int) -> int:
    for line in message.splitlines():
        sys.stderr.write(f"gosynq: {printable(line)}\n")
    return status
