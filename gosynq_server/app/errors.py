"""What keeps a server from starting."""

from __future__ import annotations

from gosynq_server.domain.errors import GosynqError


class AddressTaken(GosynqError):
    """Can't listen on {address}: {problem}. Name another port, or 0 for any free one."""
