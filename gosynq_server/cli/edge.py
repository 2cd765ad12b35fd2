"""Where the command line meets the caller: exit statuses, and expected errors told clearly."""

from __future__ import annotations

import os
import sys
from itertools import takewhile
from typing import TYPE_CHECKING

import typer

from gosynq_server.cli.application import app
from gosynq_server.cli.failures import FAILED, failure_of

if TYPE_CHECKING:
    from collections.abc import Sequence


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
        failure = failure_of(error)
        if failure is None:
            raise
        return failure.tell(json=_wants_json(arguments))
    return status if isinstance(status, int) else 0


def _wants_json(arguments: Sequence[str]) -> bool:
    """Look for --json among the options by hand: the command line may be one that does not parse."""
    return "--json" in takewhile(lambda argument: argument != "--", arguments)
