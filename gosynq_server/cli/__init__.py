"""The command line: one module per noun. It parses, calls and prints; the server is imported inside commands only."""

from gosynq_server.cli.edge import run

__all__ = ["run"]
