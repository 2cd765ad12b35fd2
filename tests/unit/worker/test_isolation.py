"""Running a coroutine in a context of its own."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, copy_context

import pytest

from gosynq_client.worker.isolation import in_context

name: ContextVar[str] = ContextVar("name", default="nobody")


async def test_what_a_coroutine_sets_stays_with_it_over_its_awaits() -> None:
    async def set_and_wait() -> str:
        name.set("ada")
        await asyncio.sleep(0)
        return name.get()

    assert (await in_context(set_and_wait(), copy_context()), name.get()) == ("ada", "nobody")


async def test_an_exception_comes_out() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError("x")

    with pytest.raises(LookupError, match="x"):
        await in_context(fail(), copy_context())


async def test_a_cancellation_goes_in_and_may_be_answered() -> None:
    started = asyncio.Event()

    async def stubborn() -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "done all the same"

    task = asyncio.ensure_future(_await(in_context(stubborn(), copy_context())))
    await started.wait()
    task.cancel()
    assert await task == "done all the same"


async def test_a_timeout_inside_works_as_in_a_task() -> None:
    async def slow() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await in_context(slow(), copy_context())


async def _await(awaitable: object) -> object:
    return await awaitable  # type: ignore[misc]  # a generator made awaitable by types.coroutine
