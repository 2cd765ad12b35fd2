"""How commands reach a server."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from gosynq_server.config import ClientConfig, ConfigError, Problem
from gosynq_server.domain.errors import GosynqError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Any

    from gosynq_client import Client, ClientOptions

_Result = TypeVar("_Result")

# What gRPC says where a call found nobody, in no fixed words, and what that means.
_CAUSES = (
    ("onnection refused", "nothing listens there"),
    ("http1", "what listens there speaks no gRPC, as REST does on its port"),
    ("CERTIFICATE_VERIFY", "its certificate is none that --tls-ca, or else this machine, trusts for that name"),
    ("handshake", "TLS failed: see --tls, --tls-ca, --tls-cert and --tls-key"),
    ("resol", "its name is not known"),
    ("lookup", "its name is not known"),
    ("timed out", "it does not answer"),
)


class NoServer(GosynqError):
    """No server answers at {target} ({cause}); start one with gosynq up, or name another with --target."""


class NoAnswer(GosynqError):
    """The server at {target} did not answer in time; see gosynq health, or give it longer with --call-timeout."""


def with_client(config: ClientConfig, work: Callable[[Client], Coroutine[Any, Any, _Result]]) -> _Result:
    """Run work with a client that is closed afterwards, and return what it returns."""
    from gosynq_client import Client  # noqa: PLC0415 - --help shall not wait for gRPC

    async def run() -> _Result:
        with reaching(config.target):
            async with Client(config.target, client_options(config)) as client:
                return await work(client)

    return asyncio.run(run())


@contextmanager
def reaching(target: str) -> Iterator[None]:
    """Raise NoServer or NoAnswer where a call found nobody, ConfigError where it may not look; the rest passes."""
    from gosynq_client import TokenInTheOpen  # noqa: PLC0415 - --help shall not wait for gRPC

    try:
        yield
    except Exception as error:
        first = error
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        if isinstance(first, TokenInTheOpen):
            description = f"it would travel unencrypted to {target}; encrypt by --tls or --tls-ca"
            raise ConfigError(Problem(name="token", description=description)) from error
        if not found_nobody(first):
            raise
        raise _unreached(first, target) from error


def found_nobody(error: Exception) -> bool:
    """Say whether a call failed before any GoSynq server said a word to it."""
    from gosynq_client import DeadlineExceeded, Unavailable  # noqa: PLC0415 - --help shall not wait for gRPC

    return isinstance(error, DeadlineExceeded | Unavailable) and not error.reason


def _unreached(error: Exception, target: str) -> NoServer | NoAnswer:
    if isinstance(error, TimeoutError):
        return NoAnswer(target=target)
    said = str(error)
    cause = next((cause for words, cause in _CAUSES if words in said), said)
    return NoServer(target=target, cause=cause, problem=said)


def client_options(config: ClientConfig) -> ClientOptions:
    """Say the settings in the client's words."""
    from gosynq_client import ClientOptions, TlsOptions  # noqa: PLC0415 - --help shall not wait for gRPC

    encrypted = config.tls or config.tls_ca is not None or config.tls_cert is not None
    tls = TlsOptions(ca=config.tls_ca, cert=config.tls_cert, key=config.tls_key) if encrypted else None
    return ClientOptions(token=config.token, tls=tls, call_timeout=config.call_timeout)
