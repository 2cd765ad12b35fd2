"""A clock that stands in for time.monotonic(), and goes on when told."""

from __future__ import annotations

import pytest

_READERS = ("exchanger", "heartbeater", "ledger", "slot")


class Clock:
    """now: what is read. The event loop has a clock of its own, which stands still while a process is paused."""

    def __init__(self, now: float = 1000) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def install(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Have a worker's runtime read such a clock."""
    clock = Clock()
    for module in _READERS:
        monkeypatch.setattr(f"gosynq_client.worker.{module}.monotonic", clock)
    return clock
