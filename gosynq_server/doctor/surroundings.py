"""Judge what is around a server: its ports and its handlers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_client.errors import GosynqError
from gosynq_client.health import check_health
from gosynq_client.options import ClientOptions
from gosynq_client.worker.handlers import DuplicateKind
from gosynq_client.worker.loading import HandlersNotLoaded, load_handlers
from gosynq_server.app.listening import AddressTaken, listen
from gosynq_server.doctor.findings import Finding, fine, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gosynq_server.config import Config

_PORTS = ("grpc_port", "http_port", "metrics_port", "health_port")
_HEALTH_TIMEOUT = timedelta(seconds=1)


async def server_answers(config: Config) -> bool:
    """Say whether a server answers where this one is to listen."""
    try:
        await check_health(f"{config.host}:{config.grpc_port}", options=ClientOptions(call_timeout=_HEALTH_TIMEOUT))
    except GosynqError:
        return False
    return True


def judge_ports(config: Config, *, server_runs: bool) -> Iterator[Finding]:
    """Try to bind each port that is to be bound; a server that runs may have them."""
    for name in _PORTS:
        port = getattr(config, name)
        problem = "" if port == 0 else binding_problem(config.host, port)
        if not problem:
            yield fine(name, f"{port} is free" if port else "a free one is picked")
        elif server_runs:
            yield fine(name, f"{port} is taken, and a server answers here")
        else:
            flag = "--" + name.replace("_", "-")
            yield wrong(name, f"{config.host}:{port} can't be bound: {problem}", f"stop what has it, or set {flag}")


def judge_handlers(config: Config) -> Iterator[Finding]:
    """Import what handlers are named."""
    for name in config.handlers:
        try:
            kinds = sorted(load_handlers(name).kinds)
        except (HandlersNotLoaded, DuplicateKind) as error:
            advice = "start where the module can be imported, or set PYTHONPATH; it must hold a Handlers object"
            yield wrong("handlers", str(error), advice)
        else:
            yield fine("handlers", f"{name}: {', '.join(kinds)}")


def binding_problem(host: str, port: int) -> str:
    """Try to bind a port and say what hinders it, "" if nothing does."""
    try:
        listen(host, port, flag="").close()
    except AddressTaken as error:
        return error.metadata["problem"]
    return ""
