"""The end that the server puts to a stream: when it drains, or the stream is old enough to move to another server."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import timedelta

_SPREAD = 0.1


def spread(age: timedelta) -> timedelta:
    """Return an age 10 % more or less, so that streams that began together do not end together."""
    return age * random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - no secret


async def stop_in_time(work: asyncio.Task[Any], draining: asyncio.Event, age: timedelta) -> None:
    """Cancel a stream's work when the server drains, or at its age."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(age.total_seconds()):
            await draining.wait()
    work.cancel()
