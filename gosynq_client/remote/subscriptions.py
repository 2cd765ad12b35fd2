"""What a worker says of itself when it comes to a server."""

from __future__ import annotations

import os
import re
import secrets
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gosynq_client.options import ClientOptions
from gosynq_client.worker.options import RuntimeOptions

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSubscription:
    """A queue to take from: its share when several have due jobs, and how many of its jobs at once, None being any.

    ValueError for what makes no sense.
    """

    queue: str
    weight: int = 1
    max_in_flight: int | None = None

    def __post_init__(self) -> None:
        if self.weight < 1:
            raise ValueError("weight is at least 1")
        if self.max_in_flight is not None and self.max_in_flight < 0:
            raise ValueError("max_in_flight is not negative")


def new_worker_id() -> str:
    """Name this process among all workers."""
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())
    return f"{host.lstrip('_.-')[:80] or 'worker'}-{os.getpid()}-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Who a worker is, what it takes, and for operators the version of its application."""

    worker_id: str
    queues: Sequence[QueueSubscription]
    kinds: Sequence[str]
    build: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteOptions:
    """How a worker is to run and to reach its server.

    worker_id is unique to this process, and made up where it is empty; build is the version of the application.
    """

    runtime: RuntimeOptions = field(default_factory=RuntimeOptions)
    client: ClientOptions = field(default_factory=ClientOptions)
    worker_id: str = ""
    build: str = ""
