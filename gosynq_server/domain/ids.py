"""Job ids: UUIDs of version 7 that rise from one to the next within a process, and their one spelling."""

from __future__ import annotations

import re
import threading
import time
from os import urandom
from typing import TYPE_CHECKING

from gosynq_server.domain.errors import FieldViolation, ValidationFailed
from gosynq_server.domain.job import JobId

if TYPE_CHECKING:
    from collections.abc import Callable

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_COUNTER_BITS = 74
_SEED_MASK = (1 << (_COUNTER_BITS - 1)) - 1
_STEP_MASK = (1 << 32) - 1
_LOW_MASK = (1 << 62) - 1
_VARIANT = 2 << 62


class JobIdSource:
    """Gives ids that rise strictly, whatever the clock does (RFC 9562, section 6.2, method 2).

    rand_a and rand_b together are one counter of 74 bits: seeded at random below its half, raised by a random step of
    32 bits wherever the seed would not rise. A counter that runs over carries into the milliseconds, and a clock that
    steps back is overruled by the last id. now gives nanoseconds since the Unix epoch, random that many bytes.
    """

    def __init__(self, *, now: Callable[[], int] = time.time_ns, random: Callable[[int], bytes] = urandom) -> None:
        self._now = now
        self._random = random
        self._lock = threading.Lock()
        self._last = 0

    def take(self) -> JobId:
        """Return the next id."""
        seed = int.from_bytes(self._random(10), "big")
        # The lock makes "look at the last, write the next" one step for handlers that enqueue from threads.
        with self._lock:
            fresh = (self._now() // 1_000_000 << _COUNTER_BITS) | (seed & _SEED_MASK)
            self._last = value = max(fresh, self._last + (seed & _STEP_MASK) + 1)
        # 31 digits after a 0: milliseconds and rand_a, then the variant and rand_b; the version is set among them.
        digits = ((value >> 62 << 64) | _VARIANT | (value & _LOW_MASK)).to_bytes(16, "big").hex()
        return JobId(f"{digits[1:9]}-{digits[9:13]}-7{digits[13:16]}-{digits[16:20]}-{digits[20:]}")


_source = JobIdSource()


def new_job_id() -> JobId:
    """Return an id greater, as text too, than every one that this process was given before."""
    return _source.take()


def new_job_ids(count: int) -> list[JobId]:
    """Return that many new ids, rising."""
    return [_source.take() for _ in range(count)]


def parse_job_id(text: str) -> JobId:
    """Return the id in its one spelling, lower case with hyphens; raise ValidationFailed for anything else.

    Upper case is taken; braces, a urn: prefix and missing hyphens are refused, as the contract's uuid rule has it.
    """
    if not _UUID.fullmatch(text):
        raise ValidationFailed((FieldViolation(field="job_id", description="must be a UUID", reason="string.uuid"),))
    return JobId(text.lower())
