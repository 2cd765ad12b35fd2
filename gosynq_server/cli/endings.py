"""What ends a command that would go on for ever: SIGTERM, and a pipe that nobody reads from any more."""

from __future__ import annotations

import asyncio
import select
import signal
import stat
import sys
from contextlib import contextmanager
from os import fstat
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

_TERMINATED = 128 + signal.SIGTERM


@contextmanager
def ended_from_outside() -> Iterator[None]:
    """Cancel what is done inside when it is to end, and raise what says why: typer.Exit(143), or BrokenPipeError.

    Ctrl-C needs nothing: asyncio cancels the command itself then.
    """
    loop, task, pipe = asyncio.get_running_loop(), asyncio.current_task(), _output_pipe()
    reasons: list[Exception] = []

    def end(reason: Exception) -> None:
        if not reasons and task:
            reasons.append(reason)
            task.cancel()

    loop.add_signal_handler(signal.SIGTERM, end, typer.Exit(_TERMINATED))
    if pipe is not None:
        # Nothing is ever to be read from this end of a pipe, except that the other one is closed.
        loop.add_reader(pipe, end, BrokenPipeError())
    try:
        yield
    except asyncio.CancelledError:
        if not (reasons and task and task.uncancel() == 0):
            raise
        raise reasons[0] from None
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        if pipe is not None:
            loop.remove_reader(pipe)


async def room_for_output() -> None:
    """Wait until a line of up to 4 KiB can be written without blocking, where the output is a pipe with a slow reader.

    A command that blocks could not be ended from outside.
    """
    pipe = _output_pipe()
    if pipe is None or select.select([], [pipe], [], 0)[1]:
        return
    loop = asyncio.get_running_loop()
    writable = asyncio.Event()
    loop.add_writer(pipe, writable.set)
    try:
        await writable.wait()
    finally:
        loop.remove_writer(pipe)


def _output_pipe() -> int | None:
    try:
        output = sys.stdout.fileno()
    except (OSError, ValueError):  # standard output is no file, as in a test
        return None
    return output if stat.S_ISFIFO(fstat(output).st_mode) else None
