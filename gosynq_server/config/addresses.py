"""The rules of addresses: where the database is, and where a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from gosynq_server.config.rules import Text, Whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from urllib.parse import SplitResult

_PORT = Whole(1, 65535)
_SCHEMES = frozenset({"dns", "unix", "unix-abstract", "ipv4", "ipv6", "vsock", "xds"})


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The address of a PostgreSQL database, or of several hosts that serve it, as libpq writes it."""

    allowed: str = (
        "a URL such as postgresql://user:password@host:5432/database, "
        "its port from 1 to 65535, and @ / ? # in a password written %40 %2F %3F %23"
    )

    def read(self, value: object) -> str:
        """Return the URL; raise ValueError, for what the driver would take apart wrongly too."""
        url = Text().read(value)
        parts = urlsplit(url)
        if url.partition("://")[0].lower() not in {"postgres", "postgresql"} or "#" in url:
            raise ValueError(url)
        if parts.netloc.count("@") > 1:
            raise ValueError(url)
        for port in _ports(parts):
            _PORT.read(port)
        return url


@dataclass(frozen=True, slots=True)
class Target:
    """The address of a server as gRPC has it (grpc/doc/naming.md), less what gRPC would guess at."""

    allowed: str = "HOST:PORT, its port from 1 to 65535, or a gRPC target such as dns:///name:port or unix:/path"

    def read(self, value: object) -> str:
        """Return the target; raise ValueError."""
        target = Text().read(value)
        scheme, _, rest = target.partition(":")
        if not (scheme in _SCHEMES and rest):
            parts = urlsplit(f"//{target}")
            if not parts.hostname or " " in target or parts.netloc != target:
                raise ValueError(target)
            _PORT.read(str(parts.port))
        return target


def _ports(parts: SplitResult) -> Iterator[str]:
    query = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    hosts = parts.netloc.rpartition("@")[2]
    for listed in (hosts, *query.get("host", ())):
        yield from _ports_of_hosts(listed)
    for listed in query.get("port", ()):
        yield from listed.split(",")


def _ports_of_hosts(listed: str) -> Iterator[str]:
    """Give the ports that are said in HOST[:PORT][,...]; the driver has no mercy on an empty one among several."""
    hosts = listed.split(",")
    if len(hosts) > 1 and "" in hosts:
        raise ValueError(listed)
    for host in hosts:
        port = host.rpartition("]")[2].partition(":")[2]
        if port:
            yield port
