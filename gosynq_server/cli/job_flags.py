"""The options that say what a job is to be: for an enqueue, and for the job of a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from gosynq_server.cli import arguments

if TYPE_CHECKING:
    from gosynq_client import JobOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFlags:
    """What is said of a job beside its kind and payload."""

    queue: Annotated[str, typer.Option(help="The queue; default unless said.", show_default=False)] = ""
    priority: Annotated[str, typer.Option(help="low, normal, high or critical; the queue's by default.")] = ""
    label: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="To search by; repeatable.")] = None
    max_retries: Annotated[
        int | None, typer.Option(min=0, max=1000, help="How often to try again; the queue's by default.")
    ] = None
    content_type: Annotated[str, typer.Option(help="The payload is of this media type, not JSON.")] = ""
    concurrency_key: Annotated[
        str, typer.Option(metavar="KEY", help="At most the queue's max_concurrency_per_key of a key run at once.")
    ] = ""
    ordering_key: Annotated[str, typer.Option(metavar="KEY", help="Jobs of a key run strictly one after another.")] = ""
    fairness_key: Annotated[str, typer.Option(metavar="KEY", help="Keys are served in turn.")] = ""

    def options(self) -> JobOptions:
        """Give what is said, in the client's words."""
        from gosynq_client import Priority  # noqa: PLC0415 - --help shall not wait for gRPC

        said: JobOptions = {
            "queue": self.queue,
            "priority": arguments.word(Priority, self.priority, "--priority"),
            "labels": arguments.labels(self.label or []),
            "max_retries": self.max_retries,
            "content_type": self.content_type,
            "concurrency_key": self.concurrency_key,
            "ordering_key": self.ordering_key,
            "fairness_key": self.fairness_key,
        }
        return {name: value for name, value in said.items() if value not in ("", None, {})}  # type: ignore[return-value]  # a part of it
