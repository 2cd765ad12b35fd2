"""What is examined, and what an examination comes to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from gosynq_server.conformance.stage import Stage

Play: TypeAlias = "Callable[[Stage], Awaitable[str]]"


class Verdict(StrEnum):
    """How a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that a worker has to do; play says what it saw, or raises NotAsExpected, NoWorker or NotApplicable."""

    name: str
    expected: str
    play: Play


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a worker did in a case."""

    case: str
    verdict: Verdict
    expected: str
    seen: str
    took: timedelta


class NotAsExpected(Exception):
    """What was seen instead of what was expected."""


class NoWorker(NotAsExpected):
    """Nothing was seen: no worker said hello."""


class NotApplicable(Exception):
    """Why a case cannot be played with this worker."""
