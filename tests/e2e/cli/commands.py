"""Commands as anyone types them, and servers as anyone starts them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any
from unittest import mock

from gosynq_server.cli import run

FREE_PORTS = ("--grpc-port", "0", "--http-port", "0", "--metrics-port", "0", "--health-port", "0")
GOSYNQ = (sys.executable, "-m", "gosynq_server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command came to."""

    status: int
    out: str
    error: str

    @property
    def documents(self) -> list[Any]:
        """The JSON documents that were printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(**extra: str) -> dict[str, str]:
    """Give an environment that says nothing to gosynq but extra."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GOSYNQ_")} | extra


def gosynq(*arguments: str, given: str = "", **variables: str) -> Done:
    """Run a command to its end, in this process."""
    out, error = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment(**variables), clear=True),
        mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(given.encode()), encoding="utf-8")),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(error),
    ):
        status = run(arguments)
    return Done(status=status, out=out.getvalue(), error=error.getvalue())


def gosynq_apart(*arguments: str, **variables: str) -> Done:
    """Run a command to its end, in a process of its own."""
    done = subprocess.run(
        [*GOSYNQ, *arguments], check=False, capture_output=True, text=True, timeout=60, env=environment(**variables)
    )
    return Done(status=done.returncode, out=done.stdout, error=done.stderr)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server that runs, and the addresses that it told."""

    process: subprocess.Popen[str]
    addresses: dict[str, str]

    def stop(self) -> int:
        """Tell it to stop and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def start(*arguments: str, **variables: str) -> Served:
    """Start a server and wait until it tells its addresses, which it does once it serves."""
    process = subprocess.Popen(
        [*GOSYNQ, *arguments, "--json", *FREE_PORTS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
    )
    assert process.stdout is not None
    told = process.stdout.readline()
    if not told:
        _, error = process.communicate()
        raise AssertionError(error)
    return Served(process=process, addresses=json.loads(told))


def end(served: Served) -> None:
    """End a server whatever became of it."""
    served.process.terminate()
    served.process.communicate(timeout=60)
