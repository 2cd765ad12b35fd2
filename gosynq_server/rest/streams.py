"""The streams that are open: how many there may be, and their common end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from gosynq_server.rest.refusals import ServerDraining, TooManyStreams

if TYPE_CHECKING:
    from collections.abc import Iterator

    import grpc

MAX_STREAMS: Final = 500
"""They share one connection with all other calls, of which it carries 1000: the 1001st would wait for one to end."""


class Streams:
    """Counts the open streams, and ends them when the edge stops: nothing else would before their callers do."""

    def __init__(self, *, limit: int = MAX_STREAMS) -> None:
        self._limit = limit
        self._open: set[grpc.aio.Call] = set()
        self.closed = False

    def check_room(self) -> None:
        """Raise TooManyStreams, or ServerDraining, where no stream can be opened."""
        if self.closed:
            raise ServerDraining
        if len(self._open) >= self._limit:
            raise TooManyStreams(self._limit)

    @contextmanager
    def holding(self, call: grpc.aio.Call) -> Iterator[None]:
        """Count a call as open inside the block, and cancel it on the way out, whichever that is."""
        self._open.add(call)
        try:
            yield
        finally:
            self._open.remove(call)
            call.cancel()

    def close(self) -> None:
        """End all streams, each telling its caller to resume elsewhere, and open no more; twice is harmless."""
        self.closed = True
        for call in self._open:
            call.cancel()
