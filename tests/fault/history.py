"""The recorded history of a run: what clients asked and heard, what handlers did, and when processes were killed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

JOURNAL, BELL = "FAULT_JOURNAL", "FAULT_BELL"
"""Where handlers find, in their environment, the file to write to and the socket of who waits for them."""


class Step(StrEnum):
    """A client's side of a call; UNKNOWN is an end that leaves open whether it was done."""

    INVOKE = "invoke"
    OK = "ok"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Verb(StrEnum):
    ENQUEUE = "enqueue"
    CANCEL = "cancel"


class Edge(StrEnum):
    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLine:
    """One step of a call about a key. told is the status or the reason that the answer named; at is monotonic."""

    step: Step
    verb: Verb
    key: str
    job_id: str = ""
    told: str = ""
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerLine:
    """One edge of a handler's run. wall is comparable with the database's clock, at (monotonic) with all other lines.

    outcome, at the end, is ok, error or cancelled.
    """

    edge: Edge
    job_id: str
    lease_seq: int
    attempt: int
    pid: int
    wall: float
    at: float
    outcome: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeathLine:
    """A process with handlers was gone by then."""

    pid: int
    at: float


Line: TypeAlias = ClientLine | HandlerLine | DeathLine

_KINDS: dict[str, type[Any]] = {"client": ClientLine, "handler": HandlerLine, "death": DeathLine}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_ENUMS: dict[str, type[StrEnum]] = {"step": Step, "verb": Verb, "edge": Edge}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a handler. end is None where it was killed before its end; ended_at is then its process's death."""

    start: HandlerLine
    end: HandlerLine | None
    ended_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All lines of a run, each kind in the order in which it was written."""

    client: Sequence[ClientLine] = ()
    handlers: Sequence[HandlerLine] = ()
    deaths: Sequence[DeathLine] = ()

    def runs(self) -> list[Run]:
        """Match starts with ends; an end without a start, or a second one, raises ValueError."""
        ends: dict[tuple[str, int, int], HandlerLine] = {}
        for line in self.handlers:
            if line.edge is Edge.END and ends.setdefault(_place(line), line) is not line:
                raise ValueError(f"a run ended twice: {line}")
        deaths = {death.pid: death.at for death in self.deaths}
        starts = [line for line in self.handlers if line.edge is Edge.START]
        if unstarted := ends.keys() - {_place(line) for line in starts}:
            raise ValueError(f"runs ended without a start: {unstarted}")
        return [_run(start, ends.get(_place(start)), deaths) for start in starts]


class Journal:
    """A file of lines, each one write to a file opened for appending: whoever is killed loses none that it wrote."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, line: Line) -> None:
        text = json.dumps({"line": _NAMES[type(line)], **asdict(line)})
        os.write(self._descriptor, f"{text}\n".encode())

    def died(self, pid: int) -> None:
        """Note that a process is gone, now."""
        self.write(DeathLine(pid=pid, at=time.monotonic()))

    def close(self) -> None:
        os.close(self._descriptor)


def read_history(*paths: Path) -> History:
    """Read the files of a run; one that is not there holds nothing."""
    lines = [line for path in paths if path.exists() for line in _read(path)]
    return History(
        client=[line for line in lines if isinstance(line, ClientLine)],
        handlers=[line for line in lines if isinstance(line, HandlerLine)],
        deaths=[line for line in lines if isinstance(line, DeathLine)],
    )


def _read(path: Path) -> Iterator[Line]:
    for text in path.read_text().splitlines():
        fields = json.loads(text)
        kind = _KINDS[fields.pop("line")]
        yield kind(**{name: _ENUMS[name](value) if name in _ENUMS else value for name, value in fields.items()})


def _place(line: HandlerLine) -> tuple[str, int, int]:
    return line.job_id, line.lease_seq, line.pid


def _run(start: HandlerLine, end: HandlerLine | None, deaths: dict[int, float]) -> Run:
    return Run(start=start, end=end, ended_at=end.at if end else deaths.get(start.pid, float("inf")))
