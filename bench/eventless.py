"""The server without its events, to measure what they cost: python -m bench.eventless up ...; nothing else uses it."""

from __future__ import annotations

import re

from gosynq_server.__main__ import main
from gosynq_server.store import statements

_NOTED = re.compile(r",\n\w+ AS \(\n    INSERT INTO gosynq\.events .*?\n\)", re.DOTALL)

_load = statements.load


def load(name: str) -> str:
    """Read a statement and take out of it what writes events."""
    return _NOTED.sub("", _load(name))


if __name__ == "__main__":
    statements.load = load  # type: ignore[assignment]  # the cache stays below
    main()
