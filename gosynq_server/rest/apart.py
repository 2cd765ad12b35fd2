"""Conversions beside the event loop: 4 MiB of numbers take seconds, and others wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

LARGE_BYTES: Final = 32 * 1024


async def apart(size: int, convert: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Convert small things at once, and large ones in a thread."""
    if size <= LARGE_BYTES:
        return convert(*args, **kwargs)
    return await asyncio.to_thread(convert, *args, **kwargs)
