"""How commands reach a server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from gosynq_client import Client, ClientOptions
    from gosynq_server.config import ClientConfig

_Result = TypeVar("_Result")


def with_client(config: ClientConfig, work: Callable[[Client], Coroutine[Any, Any, _Result]]) -> _Result:
    """Run work with a client that is closed afterwards, and return what it returns."""
    from gosynq_client import Client  # noqa: PLC0415 - --help shall not wait for gRPC

    async def run() -> _Result:
        async with Client(config.target, client_options(config)) as client:
            return await work(client)

    return asyncio.run(run())


def client_options(config: ClientConfig) -> ClientOptions:
    """Say the settings in the client's words."""
    from gosynq_client import ClientOptions, TlsOptions  # noqa: PLC0415 - --help shall not wait for gRPC

    encrypted = config.tls or config.tls_ca is not None or config.tls_cert is not None
    return ClientOptions(
        token=config.token,
        tls=TlsOptions(ca=config.tls_ca, cert=config.tls_cert, key=config.tls_key) if encrypted else None,
        call_timeout=config.call_timeout,
    )
