"""What the commands that talk to a server can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from gosynq_server.config.rules import Length, Location, Switch, Text
from gosynq_server.config.settings import Means


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """Where the server is, and how it is reached."""

    target: Annotated[str, Means(Text("HOST:PORT or a gRPC target"), "The server's gRPC address.")] = "localhost:50051"
    token: Annotated[str | None, Means(Text("a token"), "Shown to the server as a bearer token.", secret=True)] = field(
        default=None, repr=False
    )
    tls: Annotated[bool, Means(Switch(), "Encrypt, trusting this machine's certificate authorities.")] = False
    tls_ca: Annotated[Path | None, Means(Location(), "Encrypt, trusting only this authority (PEM).")] = None
    tls_cert: Annotated[Path | None, Means(Location(), "The certificate to show to the server (PEM).")] = None
    tls_key: Annotated[Path | None, Means(Location(), "The certificate's key (PEM).")] = None
    call_timeout: Annotated[
        timedelta, Means(Length(timedelta(milliseconds=1), timedelta(hours=1)), "How long one call may take.")
    ] = timedelta(seconds=5)
