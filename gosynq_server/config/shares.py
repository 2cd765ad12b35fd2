"""The rule of a queue with its share: NAME[:WEIGHT]."""

from __future__ import annotations

from dataclasses import dataclass

from gosynq_server.config.rules import Text, Whole

NAME_OF_QUEUE = Text("a queue's name", pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_WEIGHT = Whole(1, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueShare:
    """A queue to take from, and its share of what is taken when several have due jobs."""

    queue: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Share:
    """A queue and its weight."""

    allowed: str = "NAME or NAME:WEIGHT, a queue's name and a whole number from 1 to 1000, such as high:3"

    def read(self, value: object) -> QueueShare:
        """Return the share; raise ValueError."""
        queue, colon, weight = Text().read(value).partition(":")
        return QueueShare(queue=NAME_OF_QUEUE.read(queue), weight=_WEIGHT.read(weight) if colon else 1)
