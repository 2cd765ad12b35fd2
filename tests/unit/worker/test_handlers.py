"""Registering handlers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from gosynq_client.worker import DuplicateKind, Handlers, Job


async def asynchronous(job: Job) -> None: ...


def plain(job: Job) -> None: ...


async def with_setting(setting: str, job: Job) -> None: ...


class Sender:
    async def __call__(self, job: Job) -> None: ...


async def async_generator(job: Job) -> AsyncIterator[int]:
    yield 1


def generator(job: Job) -> Iterator[int]:
    yield 1


def test_a_function_is_registered_and_stays_what_it_is() -> None:
    handlers = Handlers()
    assert handlers.register("send", timeout=timedelta(seconds=3))(asynchronous) is asynchronous
    handler = handlers.get("send")
    assert handler is not None
    assert (handler.function, handler.timeout) == (asynchronous, timedelta(seconds=3))
    assert handlers.kinds == {"send"}
    assert handlers.get("other") is None


@pytest.mark.parametrize(
    ("function", "in_thread"),
    [(asynchronous, False), (plain, True), (partial(with_setting, "x"), False), (Sender(), False)],
    ids=["async", "plain", "partial", "object"],
)
def test_only_what_is_no_coroutine_function_runs_in_a_thread(function: Callable[[Job], Any], in_thread: bool) -> None:
    handlers = Handlers()
    handlers.register("send")(function)
    handler = handlers.get("send")
    assert handler is not None
    assert handler.in_thread is in_thread


def test_a_second_handler_for_a_kind_is_refused() -> None:
    handlers = Handlers()
    handlers.register("send")(asynchronous)
    with pytest.raises(DuplicateKind, match="'send'"):
        handlers.register("send")(plain)


@pytest.mark.parametrize("function", [generator, async_generator, "send"])
def test_what_can_be_no_handler_is_refused(function: Any) -> None:
    with pytest.raises(TypeError):
        Handlers().register("send")(function)


def test_an_empty_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind"):
        Handlers().register("")


def test_a_timeout_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="timeout"):
        Handlers().register("send", timeout=timedelta(0))


def test_handlers_are_merged() -> None:
    handlers, other = Handlers(), Handlers()
    handlers.register("send")(asynchronous)
    other.register("receive")(plain)
    handlers.include(other)
    assert handlers.kinds == {"send", "receive"}


def test_a_merge_with_a_kind_on_both_sides_changes_nothing() -> None:
    handlers, other = Handlers(), Handlers()
    handlers.register("send")(asynchronous)
    other.register("receive")(plain)
    other.register("send")(plain)
    with pytest.raises(DuplicateKind):
        handlers.include(other)
    assert handlers.kinds == {"send"}
