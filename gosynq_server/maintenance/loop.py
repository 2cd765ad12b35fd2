"""One loop for all maintenance: a round, a wait with jitter, and no error that ends it."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from gosynq_server.domain.errors import GosynqError
from gosynq_server.service.wakeups import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)

_JITTER = 0.1
_AFTER_FAILURE = timedelta(seconds=1)


class Round(Protocol):
    """A piece of maintenance."""

    async def run_once(self) -> timedelta:
        """Do what there is to do; return how long it is until there may be more."""
        ...


async def repeat(work: Round, *, signal: Signal | None = None, chance: Callable[[], float] = random.random) -> None:
    """Run rounds until cancelled, each earlier than it asked for if the signal is set."""
    signal = signal or Signal()
    while True:
        pause = await _run_once(work)
        await signal.wait(pause.total_seconds() * (1 - _JITTER * chance()))


async def run_through(work: Round) -> None:
    """Run one round, again and again as long as the database keeps it from its end; raises what else goes wrong."""
    while True:
        try:
            await work.run_once()
        except GosynqError as error:
            _log_held_up(work, error)
            await asyncio.sleep(_AFTER_FAILURE.total_seconds())
        else:
            return


async def _run_once(work: Round) -> timedelta:
    try:
        return await work.run_once()
    except GosynqError as error:
        _log_held_up(work, error)
    except Exception:  # noqa: BLE001 - a loop's edge: the next round may do better
        _log.exception("maintenance failed", extra={"maintenance": type(work).__name__})
    return _AFTER_FAILURE


def _log_held_up(work: Round, error: GosynqError) -> None:
    _log.warning("maintenance was held up", extra={"maintenance": type(work).__name__, "error": str(error)})
