"""What the commands that talk to a server can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gosynq_server.config.rules import Text
from gosynq_server.config.settings import Means


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """Where the server is."""

    target: Annotated[str, Means(Text("HOST:PORT or a gRPC target"), "The server's gRPC address.")] = "localhost:50051"
