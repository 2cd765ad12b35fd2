"""Judges whether a watch that was interrupted goes on, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gosynq_client.errors import RateLimited, SlowConsumer, TooManyStreams, Unavailable

if TYPE_CHECKING:
    from datetime import timedelta

    from gosynq_client.errors import GosynqError
    from gosynq_client.event_filters import ConnectionObserver

_PASSING: Final = (Unavailable, SlowConsumer, TooManyStreams, RateLimited)

# What gRPC and proxies make of a connection that breaks in the middle of a stream. Before the first response the same
# codes come from what is no such server, and never will be.
_BROKEN: Final = frozenset({"DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN"})

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


class Patience:
    """Counts what goes wrong in a row, and tells an observer of it and of its end.

    `give_up_after` is how long no server may answer; for ever if it is None. What the observer raises is raised.
    """

    def __init__(self, give_up_after: timedelta | None, on_connection: ConnectionObserver | None) -> None:
        self._give_up_after = give_up_after
        self._on_connection = on_connection
        self._failures = 0
        self._lost_at: float | None = None

    def answered(self) -> None:
        """Note that a new stream has had its first response."""
        self._lost_at = None
        if self._on_connection:
            self._on_connection(None)

    def pause_after(self, error: GosynqError, *, responses: int, now: float, chance: float) -> float:
        """Return how many seconds to wait before another try; `responses` is how many the stream had that broke.

        Raises the error if it does not pass, or if there is no more patience.
        """
        if not is_passing(error, answered=responses > 0):
            raise error
        lost_at = self._lost_at = now if self._lost_at is None else self._lost_at
        seconds = self._next_pause(error, responses, chance)
        if self._give_up_after is not None:
            left = lost_at + self._give_up_after.total_seconds() - now
            if left <= 0:
                raise error
            seconds = min(seconds, left)
        if self._on_connection:
            self._on_connection(error)
        return seconds

    def _next_pause(self, error: GosynqError, responses: int, chance: float) -> float:
        # The first response comes from any server, if only just before it stops; the second from one that goes on.
        failures = 0 if responses > 1 else self._failures
        self._failures = failures + 1
        return pause(failures, error.retry_after, chance=chance)


def is_passing(error: GosynqError, *, answered: bool) -> bool:
    """Tell whether it may be better in a while; `answered` is whether the stream had a response before it broke."""
    return isinstance(error, _PASSING) or (answered and not error.reason and error.code in _BROKEN)


def pause(failures: int, retry_after: timedelta | None, *, chance: float) -> float:
    """Return how many seconds to wait after so many failures in a row before this one, by a chance from 0 to 1.

    Full jitter (Brooker, "Exponential Backoff and Jitter", 2015) up to a bound that doubles from 0.1 s to 5 s, on top
    of what the server asks for.
    """
    bound = min(_FIRST_PAUSE * (1 << min(failures, 10)), _LONGEST_PAUSE)
    return (retry_after.total_seconds() if retry_after else 0) + chance * bound
