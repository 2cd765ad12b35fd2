"""How long to wait before the next attempt: retry policies as data, judged purely."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from typing import assert_never


class BackoffStrategy(StrEnum):
    """The shape of the delay between attempts."""

    FIXED = "fixed"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The delay between attempts. jitter is the part of it that is random, 0 (none) to 1 (all of it)."""

    strategy: BackoffStrategy = BackoffStrategy.EXPONENTIAL
    initial_backoff: timedelta = timedelta(seconds=5)
    multiplier: float = 2.0
    max_backoff: timedelta = timedelta(hours=1)
    jitter: float = 0.2

    def backoff(self, attempt: int, chance: float) -> timedelta:
        """Return the delay after the attempt of that number, 1 being the first; chance lies in [0, 1)."""
        delay = min(self._full_delay(attempt), self.max_backoff)
        return delay * (1 - self.jitter * chance)

    def _full_delay(self, attempt: int) -> timedelta:
        match self.strategy:
            case BackoffStrategy.FIXED:
                return self.initial_backoff
            case BackoffStrategy.EXPONENTIAL:
                return self._exponential_delay(attempt)
            case _:
                assert_never(self.strategy)

    def _exponential_delay(self, attempt: int) -> timedelta:
        if not self.initial_backoff:
            return self.initial_backoff  # nothing does not grow, whatever its factor overflows to
        try:
            return self.initial_backoff * self.multiplier ** (attempt - 1)
        except OverflowError:
            return self.max_backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicyOverride:
    """What a job or a queue says of a retry policy; None leaves it to what stands behind."""

    strategy: BackoffStrategy | None = None
    initial_backoff: timedelta | None = None
    multiplier: float | None = None
    max_backoff: timedelta | None = None
    jitter: float | None = None

    def over(self, policy: RetryPolicy) -> RetryPolicy:
        """Return the policy with what is said here put over it."""
        chosen = {name: getattr(self if getattr(self, name) is not None else policy, name) for name in _POLICY_FIELDS}
        return RetryPolicy(**chosen)


_POLICY_FIELDS = tuple(field.name for field in fields(RetryPolicy))
