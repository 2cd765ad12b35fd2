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


class NoServer(GosynqError):
    """No server answers at {target} ({problem}); start one with gosynq up, or name another with --target."""


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
    """Raise NoServer where a call found nobody; what a server refuses it says itself."""
    from gosynq_client import Unavailable  # noqa: PLC0415 - --help shall not wait for gRPC

    try:
        yield
    except Unavailable as error:
        if error.reason:
            raise
        raise NoServer(target=target, problem=error) from error


def client_options(config: ClientConfig) -> ClientOptions:
    """Say the settings in the client's words."""
    from gosynq_client import ClientOptions, TlsOptions  # noqa: PLC0415 - --help shall not wait for gRPC

    encrypted = config.tls or config.tls_ca is not None or config.tls_cert is not None
    try:
        tls = TlsOptions(ca=config.tls_ca, cert=config.tls_cert, key=config.tls_key) if encrypted else None
        return ClientOptions(token=config.token, tls=tls, call_timeout=config.call_timeout)
    except ValueError as error:
        raise ConfigError(Problem(name="client", description=str(error))) from error
