"""gosynq explain: why a job is not running, or not done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq_server.cli.connection import with_client
from gosynq_server.cli.jobs import JobId
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json, cell, print_json, print_line
from gosynq_server.config import ClientConfig

if TYPE_CHECKING:
    from gosynq_client import Client, Explanation, HoldReason


@configured(ClientConfig)
def explain(config: ClientConfig, job_id: JobId, *, json: Json = False) -> None:
    """Say why a job is not running, or not done: one line for each reason."""

    async def work(client: Client) -> None:
        _tell(job_id, await client.explain(job_id), json=json)

    with_client(config, work)


def _tell(job_id: str, explanation: Explanation, *, json: bool) -> None:
    if json:
        print_json(explanation)
        return
    print_line(f"{job_id} is {explanation.status.value}")
    for reason in explanation.reasons:
        print_line(f"  {_line(reason)}")
    if not explanation.reasons:
        print_line("  nothing holds it: the next free worker takes it")


def _line(reason: HoldReason) -> str:
    until = f" (until {cell(reason.until).plain})" if reason.until else ""
    return f"{reason.type.value}: {reason.message}{until}"
