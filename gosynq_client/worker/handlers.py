"""Handlers, by the kind of job that they are for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from gosynq_client.worker.answers import Answer
    from gosynq_client.worker.job import Job

HandlerFunction: TypeAlias = "Callable[[Job], Answer | Coroutine[Any, Any, Answer]]"

F = TypeVar("F", bound="Callable[[Job], object]")


class DuplicateKind(ValueError):
    """Two handlers for one kind."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"there is a handler for {kind!r} already")
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A function for a kind of job; in_thread if it is no coroutine function."""

    kind: str
    function: HandlerFunction
    timeout: timedelta | None
    in_thread: bool


class Handlers:
    """A set of handlers, at most one for a kind.

    An async handler shares the event loop with all others: one that computes or blocks for long without an await holds
    up the whole worker, its heartbeats included; make it a plain def, which runs in a thread. Nothing can interrupt a
    thread: one that works for long has to look at job.cancel_requested, as Job describes.
    """

    def __init__(self) -> None:
        self._by_kind: dict[str, Handler] = {}

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that can be run."""
        return frozenset(self._by_kind)

    def get(self, kind: str) -> Handler | None:
        """Return the handler for a kind, None if there is none."""
        return self._by_kind.get(kind)

    def register(self, kind: str, *, timeout: timedelta | None = None) -> Callable[[F], F]:
        """Decorate the function that runs jobs of a kind; one attempt takes at most timeout.

        Raises DuplicateKind, and ValueError or TypeError for what can be no handler.
        """
        if not kind:
            raise ValueError("a handler needs a kind")
        if timeout is not None and timeout <= timedelta(0):
            raise ValueError("a handler's timeout is above zero")

        def add(function: F) -> F:
            self._add(_handler(kind, function, timeout))
            return function

        return add

    def include(self, other: Handlers) -> None:
        """Take over another's handlers, all or none; raise DuplicateKind if both have one for a kind."""
        for kind in sorted(self.kinds & other.kinds):
            raise DuplicateKind(kind)
        self._by_kind.update(other._by_kind)

    def _add(self, handler: Handler) -> None:
        if handler.kind in self._by_kind:
            raise DuplicateKind(handler.kind)
        self._by_kind[handler.kind] = handler


def _handler(kind: str, function: Any, timeout: timedelta | None) -> Handler:
    if not callable(function):
        raise TypeError(f"the handler for {kind!r} is no function")
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise TypeError(f"the handler for {kind!r} is a generator: it has to return, not to yield")
    # An object may be a handler by an async __call__, which only its class shows.
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    return Handler(kind=kind, function=function, timeout=timeout, in_thread=not is_async)
