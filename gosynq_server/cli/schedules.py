"""gosynq schedules: look at schedules, make, change, pause, trigger and delete them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from gosynq_server.cli import arguments
from gosynq_server.cli.connection import with_client
from gosynq_server.cli.job_flags import JobFlags
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json, print_json, print_line
from gosynq_server.cli.schedule_flags import PolicyFlags, TimingFlags, cleared, schedule_options
from gosynq_server.cli.schedules_output import tell_firings, tell_schedule, tell_schedules
from gosynq_server.config import ClientConfig

if TYPE_CHECKING:
    from gosynq_client import Client, JobRequest, Schedule

app = typer.Typer(help="Look at schedules, make, change, pause, trigger and delete them.", no_args_is_help=True)

ScheduleId = Annotated[
    str, typer.Argument(metavar="ID", help="The schedule's id: lower case, digits and -.", show_default=False)
]
Kind = Annotated[str, typer.Argument(help="What its jobs are: the name of a handler.", show_default=False)]
Payload = Annotated[str, typer.Argument(help="A JSON object, @PATH for a file with it, - for standard input.")]
Etag = Annotated[str, typer.Option(help="Only if it is still as it was when this was read.")]


@app.command("list")
@configured(ClientConfig)
def list_schedules(config: ClientConfig, *, json: Json = False) -> None:
    """List the schedules, and when each fires next."""
    with_client(config, lambda client: tell_schedules(client.schedules.list(), json=json))


@app.command()
@configured(ClientConfig)
def get(config: ClientConfig, schedule_id: ScheduleId, *, json: Json = False) -> None:
    """Show one schedule and its job."""

    async def work(client: Client) -> None:
        tell_schedule(await client.schedules.get(schedule_id), json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def create(  # noqa: PLR0913 - the job, three groups of options, and the form of the answer
    config: ClientConfig,
    schedule_id: ScheduleId,
    kind: Kind,
    payload: Payload = "{}",
    *,
    timing: TimingFlags,
    policy: PolicyFlags,
    job: JobFlags,
    json: Json = False,
) -> None:
    """Make a schedule: when it fires, and the job that it enqueues then."""
    content = arguments.payload(payload, job.content_type)

    async def work(client: Client) -> None:
        from gosynq_client import JobRequest  # noqa: PLC0415 - --help shall not wait for gRPC

        options = schedule_options(timing, policy, needed=True)
        options["job"] = JobRequest(kind, content, **job.options())
        tell_schedule(await client.schedules.create(schedule_id, **options), json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def update(  # noqa: PLR0913 - the job, three groups of options, and how the change is made
    config: ClientConfig,
    schedule_id: ScheduleId,
    kind: Annotated[str, typer.Argument(help="What its jobs are from now on.", show_default=False)] = "",
    payload: Annotated[str, typer.Argument(help="As of create.", show_default=False)] = "",
    *,
    timing: TimingFlags,
    policy: PolicyFlags,
    job: JobFlags,
    clear: Annotated[
        list[str] | None, typer.Option(metavar="OPTION", help="Take this one back, as jitter; repeatable.")
    ] = None,
    etag: Etag = "",
    json: Json = False,
) -> None:
    """Change a schedule; what is not said of it or its job stays."""
    fields = cleared(clear or [])

    async def work(client: Client) -> None:
        options = schedule_options(timing, policy, needed=False)
        guard = etag
        if kind or payload or job.options():
            before = await client.schedules.get(schedule_id)
            options["job"] = _changed(before, kind, payload, job)
            # The job was read and goes back as a whole: nobody may have changed it in between.
            guard = etag or before.etag
        tell_schedule(await client.schedules.update(schedule_id, clear=fields, etag=guard, **options), json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def delete(
    config: ClientConfig,
    schedule_id: ScheduleId,
    *,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="It is fine if there is none.")] = False,
    etag: Etag = "",
    json: Json = False,
) -> None:
    """Delete a schedule; its jobs stay."""

    async def work(client: Client) -> None:
        await client.schedules.delete(schedule_id, allow_missing=allow_missing, etag=etag)
        print_json({"schedule_id": schedule_id}) if json else print_line(f"{schedule_id} is deleted")

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def pause(config: ClientConfig, schedule_id: ScheduleId, *, json: Json = False) -> None:
    """Have a schedule fire only when it is triggered."""

    async def work(client: Client) -> None:
        _tell_state(await client.schedules.pause(schedule_id), json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def resume(config: ClientConfig, schedule_id: ScheduleId, *, json: Json = False) -> None:
    """Have a paused schedule fire again, from now on."""

    async def work(client: Client) -> None:
        _tell_state(await client.schedules.resume(schedule_id), json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def trigger(
    config: ClientConfig,
    schedule_id: ScheduleId,
    *,
    key: Annotated[str, typer.Option(help="An idempotency key: triggered twice, there is one job.")] = "",
    json: Json = False,
) -> None:
    """Enqueue a schedule's job now, paused or not, and print its id."""

    async def work(client: Client) -> None:
        job_id = await client.schedules.trigger(schedule_id, idempotency_key=key)
        print_json({"job_id": job_id}) if json else print_line(job_id)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def preview(
    config: ClientConfig,
    *,
    timing: TimingFlags,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many firings.")] = 5,
    json: Json = False,
) -> None:
    """Say when a schedule would fire, without making it."""
    options = timing.options(needed=True)

    async def work(client: Client) -> None:
        tell_firings(await client.schedules.preview(count=count, **options), timing.time_zone, json=json)

    with_client(config, work)


def _changed(before: Schedule, kind: str, payload: str, job: JobFlags) -> JobRequest:
    options = job.options()
    changed = replace(before.job, **options)
    if payload:
        content = arguments.payload(payload, job.content_type)
        changed = replace(changed, payload=content, content_type=options.get("content_type", ""))
    return replace(changed, kind=kind) if kind else changed


def _tell_state(schedule: Schedule, *, json: bool) -> None:
    if json:
        print_json(schedule)
    else:
        print_line(f"{schedule.id} is {'paused' if schedule.paused else 'active'}")
