"""Whose turn it is among queues that have shares: start-time fair queueing (Goyal, Vin and Cheng, 1996)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MOST_KEPT = 256


class Turns:
    """Remembers what each queue has had, so that its share holds even where jobs are taken one by one.

    A queue's finish is where it stands once what it has had is divided by its weight; the queue that stands furthest
    behind is next. One that had nothing to give joins where the others are: it has nothing to make up for.
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        """Use weights, 1 where a queue has none."""
        self._weights = weights
        self._finish: dict[str, float] = {}
        self._now = 0.0

    def weight(self, queue: str) -> int:
        """Return a queue's weight."""
        return self._weights.get(queue, 1)

    def order(self, queues: Iterable[str]) -> list[str]:
        """Return queues with the next one first; among equals the order stays."""
        return sorted(queues, key=self._start)

    def took(self, queue: str, count: int) -> None:
        """Count what was taken from a queue."""
        if not count:
            return
        self._now = self._start(queue)
        self._finish[queue] = self._now + count / self.weight(queue)
        if len(self._finish) > _MOST_KEPT:
            self._finish = {name: finish for name, finish in self._finish.items() if finish > self._now}

    def _start(self, queue: str) -> float:
        return max(self._now, self._finish.get(queue, 0.0))
