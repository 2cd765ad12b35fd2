"""gosynq migrate: bring the database's schema forward and back, and say where it stands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from gosynq_server.cli.database import connection
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json, print_json, print_line, print_table
from gosynq_server.cli.progress import progress_bar
from gosynq_server.config import Config, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gosynq_server.store.migrations import Migration, MigrationStatus

app = typer.Typer(help="Bring the database's schema forward and back.", no_args_is_help=True)

_DATABASE = frozenset({"database_url", "data_dir"})
_OTHERS = frozenset(setting.name for setting in settings_of(Config)) - _DATABASE


@app.command()
@configured(Config, without=_OTHERS)
def up(
    config: Config,
    *,
    to: Annotated[int | None, typer.Option(metavar="VERSION", help="Up to which; the newest by default.")] = None,
    json: Json = False,
) -> None:
    """Apply the migrations that are pending."""
    from gosynq_server.store import migrations  # noqa: PLC0415 - --help shall not wait for the server

    async def work() -> list[Migration]:
        with progress_bar() as bar:
            bar.add_task("migrating", total=None)
            async with connection(config) as opened:
                return await migrations.migrate_up(opened, _migrations(), to=to)

    _tell_done(asyncio.run(work()), "applied", json=json)


@app.command()
@configured(Config, without=_OTHERS)
def down(
    config: Config,
    *,
    to: Annotated[int, typer.Option(metavar="VERSION", help="Down to which; 0 takes all back, data too.")],
    json: Json = False,
) -> None:
    """Take migrations back, and with them what is in their tables."""
    from gosynq_server.store import migrations  # noqa: PLC0415 - --help shall not wait for the server

    async def work() -> list[Migration]:
        with progress_bar() as bar:
            bar.add_task("migrating", total=None)
            async with connection(config) as opened:
                return await migrations.migrate_down(opened, _migrations(), to=to)

    _tell_done(asyncio.run(work()), "taken back", json=json)


@app.command()
@configured(Config, without=_OTHERS)
def status(config: Config, *, json: Json = False) -> None:
    """List the migrations; exit with 1 if the schema is not this program's."""
    from gosynq_server.store import migrations  # noqa: PLC0415 - --help shall not wait for the server

    async def work() -> list[MigrationStatus]:
        async with connection(config) as opened:
            return await migrations.migration_status(opened, _migrations())

    found = asyncio.run(work())
    if json:
        for each in found:
            print_json(each)
    else:
        rows = [(each.version, each.name, each.state.value, each.applied_at) for each in found]
        print_table(("VERSION", "NAME", "STATE", "APPLIED"), rows)
    if any(each.state is not migrations.MigrationState.APPLIED for each in found):
        raise typer.Exit(1)


def _migrations() -> Sequence[Migration]:
    from gosynq_server.store import migrations  # noqa: PLC0415 - --help shall not wait for the server

    return migrations.load_migrations(migrations.find_migrations_folder())


def _tell_done(done: Sequence[Migration], what: str, *, json: bool) -> None:
    for migration in done:
        if json:
            print_json({"version": migration.version, "name": migration.name, "done": what})
        else:
            print_line(f"{migration.version:04} {migration.name} {what}")
    if not done and not json:
        print_line("nothing to do")
