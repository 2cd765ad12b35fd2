"""Tells whoever waits that something has happened."""

from __future__ import annotations

import asyncio


class Changes:
    """A bell: waiting returns at the first ring after what was last looked at."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Say that something has happened."""
        self._rung.set()

    async def wait(self) -> None:
        """Return at the next ring; one that came since the last return counts."""
        await self._rung.wait()
        self._rung.clear()
