"""Opens the channel to a server as its options say."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import grpc

from gosynq_client.errors import TokenInTheOpen
from gosynq_client.service_config import service_config

if TYPE_CHECKING:
    from gosynq_client.options import ClientOptions, Pem, TlsOptions

_MAX_RECEIVED_BYTES = 16 * 1024 * 1024

_ARGUMENTS: Mapping[str, str | int] = {
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.http2.max_pings_without_data": 0,
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.min_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 5_000,
    "grpc.max_receive_message_length": _MAX_RECEIVED_BYTES,
    "grpc.max_metadata_size": 16 * 1024,
}


def open_channel(target: str, options: ClientOptions, *, retries: bool) -> grpc.aio.Channel:
    """Open a channel in the running event loop; it connects with its first call, and again when it has to.

    Raises TokenInTheOpen for a token that anyone on the way could read, OSError for a certificate's file.
    """
    local = is_loopback(target)
    if options.token is not None and options.tls is None and not (local or options.token_without_tls):
        raise TokenInTheOpen(target)
    arguments = {
        **_ARGUMENTS,
        "grpc.service_config": service_config(health_checked=options.health_checked),
        "grpc.enable_retries": int(retries),
        # A proxy that the environment names would take what is meant for this machine, token included, elsewhere.
        "grpc.enable_http_proxy": int(not local),
        **dict(options.channel_options),
    }
    if options.tls is None:
        return grpc.aio.insecure_channel(target, options=tuple(arguments.items()))
    return grpc.aio.secure_channel(target, _credentials(options.tls), options=tuple(arguments.items()))


def is_loopback(target: str) -> bool:
    """Whether every address of a gRPC target (its name syntax: grpc/doc/naming.md) surely is on this machine."""
    scheme, _, rest = target.partition(":")
    match scheme:
        case "unix" | "unix-abstract":
            return True
        case "ipv4" | "ipv6":
            return all(_is_loopback_host(address) for address in rest.split(","))
        case "dns":
            return _is_loopback_host(rest.removeprefix("///"))
        case _:
            return _is_loopback_host(target)


def _is_loopback_host(authority: str) -> bool:
    try:
        host = urlsplit(f"//{authority}").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # no address, but a name that anything may stand for
        return False


def _credentials(tls: TlsOptions) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(_pem(tls.ca), _pem(tls.key), _pem(tls.cert))


def _pem(source: Pem | None) -> bytes | None:
    return source.read_bytes() if isinstance(source, Path) else source
