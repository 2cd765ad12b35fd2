"""gosynq watch: show what happens to jobs, as it happens."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gosynq_server.cli import arguments
from gosynq_server.cli.connection import with_client
from gosynq_server.cli.endings import ended_from_outside, room_for_output
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json, console
from gosynq_server.cli.watch_output import Notices, tell_document, tell_line
from gosynq_server.cli.watch_screen import WatchScreen
from gosynq_server.config import ClientConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gosynq_client import Client, Watch, WatchItem, WatchOptions
    from gosynq_server.cli.watch_output import Place


@configured(ClientConfig)
def watch(  # noqa: PLR0913 - one parameter per option, as typer has it
    config: ClientConfig,
    *,
    queue: Annotated[list[str] | None, typer.Option(help="Only of this queue; repeatable.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind; repeatable.")] = None,
    type_: Annotated[
        list[str] | None,
        typer.Option(
            "--type", help="created, started, succeeded, failed, ...; all but progress by default; repeatable."
        ),
    ] = None,
    job: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only of this job; repeatable.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only of jobs with this label; repeatable.")
    ] = None,
    priority: Annotated[list[str] | None, typer.Option(help="low, normal, high or critical; repeatable.")] = None,
    from_oldest: Annotated[bool, typer.Option("--from-oldest", help="Begin with the oldest stored event.")] = False,
    since: Annotated[
        str, typer.Option(metavar="DURATION|MOMENT", help="Begin so long ago (10m), or then (2030-01-31T12:00:00Z).")
    ] = "",
    cursor: Annotated[str | None, typer.Option(help="Go on from here, as an earlier watch told.")] = None,
    snapshot: Annotated[bool, typer.Option("--snapshot", help="Show first the jobs that are not over yet.")] = False,
    stop_when_terminal: Annotated[
        bool, typer.Option("--stop-when-terminal", help="End once each --job is over and all of it is shown.")
    ] = False,
    payload: Annotated[bool, typer.Option("--payload", help="Show payloads and results too.")] = False,
    json: Json = False,
) -> None:
    """Show what happens to jobs as it happens, until Ctrl-C; a server that restarts only interrupts it."""
    starts = {"--from-oldest": from_oldest, "--since": since, "--cursor": cursor, "--snapshot": snapshot}
    _refuse_several([option for option, given in starts.items() if given])
    if stop_when_terminal and not job:
        raise typer.BadParameter("it needs a --job", param_hint="--stop-when-terminal")
    notices = Notices(json=json)
    options: WatchOptions = {
        "queues": queue or [],
        "kinds": kind or [],
        "job_ids": job or [],
        "labels": arguments.labels(label or []),
        "include_payload": payload,
        "from_oldest": from_oldest,
        "start_at": arguments.since(since, "--since", now=datetime.now(UTC)),
        "cursor": cursor,
        "stop_when_terminal": stop_when_terminal,
        "on_connection": notices.heard,
    }

    async def work(client: Client) -> None:
        from gosynq_client import EventType, Priority  # noqa: PLC0415 - --help shall not wait for gRPC

        options["types"] = arguments.words(EventType, type_ or [], "--type")
        options["priorities"] = arguments.words(Priority, priority or [], "--priority")
        async with client.watch(snapshot=snapshot, **options) as events:
            try:
                await _show(events, json=json)
            except (asyncio.CancelledError, typer.Exit):
                notices.left(events.cursor)
                raise

    with_client(config, work)


async def _show(events: Watch[WatchItem], *, json: bool) -> None:
    with ended_from_outside(), _display(json=json) as show:
        async for item in events:
            await room_for_output()
            show(item, events)


@contextmanager
def _display(*, json: bool) -> Iterator[Callable[[WatchItem, Place], None]]:
    terminal = console()
    if json:
        yield tell_document
    elif terminal.is_terminal:
        with WatchScreen(terminal) as screen:
            yield screen.show
    else:
        yield tell_line


def _refuse_several(options: Sequence[str]) -> None:
    if len(options) > 1:
        raise typer.BadParameter(f"{' and '.join(options)} exclude each other: a watch begins at one place")
