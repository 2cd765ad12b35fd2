"""The server put together: its parts composed, started, and stopped in phases."""

from gosynq_server.app.server import serve

__all__ = ["serve"]
