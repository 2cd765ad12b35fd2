"""What a server knows of a worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class WorkerState(StrEnum):
    """What a worker is doing; UNKNOWN is a state that this client is too old to know."""

    ACTIVE = "active"
    DRAINING = "draining"
    LOST = "lost"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerQueue:
    """A queue that a worker takes from: its share, and how many of its jobs at once, None being any."""

    queue: str
    weight: int
    max_in_flight: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProgram:
    """What a worker is made of: such as gosynq-python 1.0.0, python 3.11, the application's version, and the host."""

    sdk: str
    language: str
    build: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """A worker as the server knows it; without `kinds` it runs any, without `server_id` it polls."""

    worker_id: str
    state: WorkerState
    queues: tuple[WorkerQueue, ...]
    kinds: tuple[str, ...]
    runtime: WorkerProgram
    in_flight: int
    max_in_flight: int
    connected_at: datetime | None
    last_seen_at: datetime | None
    server_id: str
