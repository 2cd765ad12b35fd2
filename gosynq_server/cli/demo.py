"""gosynq demo: see it work."""

from __future__ import annotations

from gosynq_server.cli.output import Json


def demo(*, json: Json = False) -> None:
    """See it work."""
    raise NotImplementedError
