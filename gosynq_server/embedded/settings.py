"""How the embedded server is set: sized for one small machine, reachable through a socket only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_SERVER = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "wal_compression": "off",
    "synchronous_commit": "on",
    # The tables of the stages turn over within seconds; the default minute lets dead rows pile up in front of a fetch.
    "autovacuum_naptime": "10s",
    "jit": "off",
    "track_io_timing": "off",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# Commits still go to the operating system before they are acknowledged, so that killing the server loses none of them.
# Commits still reach the operating system before they are acknowledged: killing the server alone loses none of them.
_THROW_AWAY = {"fsync": "off", "full_page_writes": "off"}


def server_settings(*, sockets: Path, durable: bool, extra: Mapping[str, str]) -> dict[str, str]:
    """Give the server's settings; `extra` wins. Without `durable` a crash of the machine may lose the cluster."""
    # A list of folders to PostgreSQL, so the one name is quoted as an identifier is.
    socket_folders = '"{}"'.format(str(sockets).replace('"', '""'))
    return {
        **_SERVER,
        **({} if durable else _THROW_AWAY),
        **extra,
        "unix_socket_directories": socket_folders,
    }


def initialization_options(*, major: int, durable: bool) -> list[str]:
    """Give initdb's options: UTF-8, sorted by code point on every machine, trust on the socket, nothing on TCP."""
    options = [
        "--username=postgres",
        "--auth-local=trust",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--no-instructions",
    ]
    options += (
        ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if major >= _BUILTIN_LOCALES else ["--locale=C"]
    )
    return options if durable else [*options, "--no-sync"]


_BUILTIN_LOCALES = 17
