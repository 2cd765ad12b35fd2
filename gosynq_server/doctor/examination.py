"""The examination, from the nearest thing to the farthest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gosynq_server.doctor.database import judge_clock, judge_database, judge_schema
from gosynq_server.doctor.findings import Finding, fine, warning, wrong
from gosynq_server.doctor.surroundings import judge_handlers, judge_ports, server_answers
from gosynq_server.domain.errors import GosynqError
from gosynq_server.store import migrations
from gosynq_server.store.connection import open_connection
from gosynq_server.store.diagnosis import diagnose

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from gosynq_server.config import Config
    from gosynq_server.store.connection import Connection


async def examine(config: Config, database: AbstractAsyncContextManager[str]) -> AsyncIterator[Finding]:
    """Examine what a server of this configuration needs; database gives its URL while it is entered.

    Changes nothing, but that an embedded database is made where there is none yet.
    """
    for finding in judge_handlers(config):
        yield finding
    server_runs = await server_answers(config)
    for finding in judge_ports(config, server_runs=server_runs):
        yield finding
    try:
        async with database as url, open_connection(url) as connection:
            yield fine("database", "answers")
            async for finding in _examine_database(config, connection):
                yield finding
    except GosynqError as error:
        if server_runs and config.database_url is None:
            yield warning("database", str(error), "a server runs on it: stop that to have its database examined")
        else:
            yield wrong("database", str(error), "see that it runs and that host, port, user and password are right")


async def _examine_database(config: Config, connection: Connection) -> AsyncIterator[Finding]:
    asked = datetime.now(UTC)
    diagnosis = await diagnose(connection)
    answered = datetime.now(UTC)
    for finding in judge_database(diagnosis, pool_size=config.pool_size):
        yield finding
    yield judge_clock(asked, diagnosis.server_time, answered)
    files = migrations.load_migrations(migrations.find_migrations_folder())
    schema = await migrations.check_schema(connection, files)
    yield judge_schema(schema, migrates_itself=config.auto_migrate or config.database_url is None)
