"""What the commands that talk to a server can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from gosynq_server.config.addresses import Target
from gosynq_server.config.paths import FileToRead
from gosynq_server.config.rules import Length, Switch, Text
from gosynq_server.config.settings import Means

_TOKEN = Text("a token of printable ASCII without spaces", pattern="[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """Where the server is, and how it is reached."""

    target: Annotated[str, Means(Target(), "The server's gRPC address.")] = "localhost:50051"
    token: Annotated[str | None, Means(_TOKEN, "Shown to the server as a bearer token.", secret=True)] = field(
        default=None, repr=False
    )
    tls: Annotated[bool, Means(Switch(), "Encrypt, trusting this machine's certificate authorities.")] = False
    tls_ca: Annotated[Path | None, Means(FileToRead(), "Encrypt, trusting only this authority (PEM).")] = None
    tls_cert: Annotated[Path | None, Means(FileToRead(), "The certificate to show to the server (PEM).")] = None
    tls_key: Annotated[Path | None, Means(FileToRead(), "The certificate's key (PEM).")] = None
    call_timeout: Annotated[
        timedelta, Means(Length(timedelta(milliseconds=1), timedelta(hours=1)), "How long one call may take.")
    ] = timedelta(seconds=5)
