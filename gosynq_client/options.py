"""How a client reaches its server, and what it shows there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

Pem: TypeAlias = Path | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """Certificates, each as PEM or as the path of a file with it.

    `ca` is whom to trust instead of the machine's own list. `cert` and `key`, both or neither, are what this client
    shows. Raises ValueError for one without the other.
    """

    ca: Pem | None = None
    cert: Pem | None = None
    key: Pem | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key go together")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How to reach a server.

    `token` goes with every call as a bearer token; without TLS only to this machine, unless `token_without_tls` lets
    it. `call_timeout` bounds every call with its retries, waiting for a job aside. `health_checked` leaves a server
    that says NOT_SERVING at once, where a name stands for several. `channel_options` go to gRPC after the client's
    own, which they override. Raises ValueError for a token that no header can hold, or a time-out of nothing.
    """

    token: str | None = field(default=None, repr=False)
    token_without_tls: bool = False
    tls: TlsOptions | None = None
    call_timeout: timedelta = timedelta(seconds=5)
    health_checked: bool = False
    channel_options: tuple[tuple[str, str | int], ...] = ()

    def __post_init__(self) -> None:
        if self.token is not None and not _fits_a_header(self.token):
            raise ValueError("a token is printable ASCII without spaces, and not empty")
        if self.call_timeout <= timedelta():
            raise ValueError("call_timeout must be longer than nothing")


def _fits_a_header(token: str) -> bool:
    return bool(token) and token.isascii() and token.isprintable() and " " not in token
