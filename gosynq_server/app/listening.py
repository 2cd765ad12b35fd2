"""The ports that a server listens on: bound before anything is served, or refused in the same words for all."""

from __future__ import annotations

import socket
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.domain.errors import GosynqError
from gosynq_server.rpc.server import PortTaken

if TYPE_CHECKING:
    from collections.abc import Callable

_BACKLOG = 1024
_UNREAD_LIMIT = timedelta(seconds=90)


class AddressTaken(GosynqError):
    """Can't listen on {address}: {problem}. Name another port by {flag}, 0 being any free one, or another --host."""


def address_of(host: str, port: int) -> str:
    """Write a host and a port as one address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen(host: str, port: int, *, flag: str) -> socket.socket:
    """Return a socket that listens; raise AddressTaken where there is none to be had."""
    try:
        return _listening(host, port)
    except OSError as error:
        raise AddressTaken(address=address_of(host, port), problem=error.strerror or error, flag=flag) from error
    except UnicodeError as error:  # what getaddrinfo says of a name that there can't be
        raise AddressTaken(address=address_of(host, port), problem="it is no host name", flag=flag) from error


def listen_by(bind: Callable[[str], int], host: str, port: int, *, flag: str) -> int:
    """Have gRPC listen, and return the port; raise AddressTaken, for whose problem a plain socket has the words."""
    try:
        return bind(address_of(host, port))
    except PortTaken as error:
        listen(host, port, flag=flag).close()
        raise AddressTaken(address=address_of(host, port), problem="it was taken a moment ago", flag=flag) from error


def _listening(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        # Connections of an earlier run that linger do not count.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":
            # A peer that takes nothing of what it was sent would hold its connection for ever, as its TCP goes on
            # answering. What is accepted here inherits the limit.
            limit = int(_UNREAD_LIMIT.total_seconds() * 1000)
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound
