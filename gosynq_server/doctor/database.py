"""Judge a database server by what it says about itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.doctor.findings import Finding, fine, warning, wrong
from gosynq_server.store.migrations import SchemaCheck, SchemaState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from gosynq_server.store.diagnosis import Diagnosis

_OLDEST, _NEWEST = 15, 18
# Beside the pool: the listener, the notifier, and room for a person with psql.
_BESIDE_THE_POOL = 3
_CLOCK_TOLERANCE = timedelta(seconds=2)
_SHORTEST_STATEMENT_TIMEOUT = 30_000
_MUST_BE_ON = {
    "fsync": "a crash of its machine may lose jobs that were acknowledged",
    "full_page_writes": "a crash of its machine may damage its tables",
    "synchronous_commit": "a crash may lose jobs that were acknowledged",
    "autovacuum": "the queues' tables will swell and get slow",
}


def judge_database(diagnosis: Diagnosis, *, pool_size: int) -> Iterator[Finding]:
    """Judge version, role, settings and room."""
    yield _version(diagnosis)
    yield _role(diagnosis)
    yield from _switches(diagnosis)
    yield _transactions(diagnosis)
    yield _encoding(diagnosis)
    yield _room(diagnosis, pool_size)
    yield _statement_timeout(diagnosis)


def judge_clock(asked: datetime, told: datetime, answered: datetime) -> Finding:
    """Judge this machine's clock by the database's, which told the time between the asking and the answer."""
    off = told - (asked + (answered - asked) / 2)
    message = f"this machine's clock is {abs(off).total_seconds():.3f} s {'behind' if off > timedelta() else 'ahead'}"
    if abs(off) <= _CLOCK_TOLERANCE + (answered - asked):
        return fine("clock", message)
    return warning(
        "clock", message, "jobs go by the database's clock: set both by NTP, or give delays rather than moments"
    )


def judge_schema(schema: SchemaCheck, *, migrates_itself: bool) -> Finding:
    """Judge the schema's version; a server that migrates by itself may find an old one."""
    match schema.state:
        case SchemaState.CURRENT:
            return fine("schema", f"version {schema.found}, as this program has it")
        case SchemaState.BEHIND if migrates_itself:
            return fine("schema", f"version {schema.found}; the start will bring it to {schema.expected}")
        case SchemaState.BEHIND:
            message = f"version {schema.found}, and this program needs {schema.expected}"
            return wrong("schema", message, "run gosynq migrate up, or start with --auto-migrate")
        case _:
            message = f"version {schema.found}, and this program knows only {schema.expected}"
            return wrong("schema", message, "run a newer gosynq")


def _version(diagnosis: Diagnosis) -> Finding:
    major = diagnosis.version_number // 10_000
    message = f"PostgreSQL {diagnosis.version}"
    if major < _OLDEST:
        return wrong("version", message, f"use PostgreSQL {_OLDEST} or newer")
    if major > _NEWEST:
        return warning("version", message, f"GoSynq is tested up to PostgreSQL {_NEWEST}")
    return fine("version", message)


def _role(diagnosis: Diagnosis) -> Finding:
    if diagnosis.is_standby:
        return wrong("role", "a standby, which takes no writes", "name the primary in the database URL")
    if diagnosis.settings["default_transaction_read_only"] == "on":
        return wrong("role", "default_transaction_read_only is on", "turn it off for this role and database")
    return fine("role", "takes writes")


def _switches(diagnosis: Diagnosis) -> Iterator[Finding]:
    for name, harm in _MUST_BE_ON.items():
        setting = diagnosis.settings[name]
        if setting == "off":
            yield wrong(name, f"off: {harm}", f"ALTER SYSTEM SET {name} = on, then reload")
        else:
            yield fine(name, setting)


def _transactions(diagnosis: Diagnosis) -> Finding:
    isolation = diagnosis.settings["default_transaction_isolation"]
    if isolation != "read committed":
        return wrong("isolation", isolation, "set default_transaction_isolation to 'read committed' for this role")
    return fine("isolation", isolation)


def _encoding(diagnosis: Diagnosis) -> Finding:
    encoding = diagnosis.settings["server_encoding"]
    if encoding != "UTF8":
        return wrong("encoding", encoding, "create the database with ENCODING 'UTF8'")
    return fine("encoding", encoding)


def _room(diagnosis: Diagnosis, pool_size: int) -> Finding:
    allowed = int(diagnosis.settings["max_connections"]) - int(diagnosis.settings["superuser_reserved_connections"])
    free, needed = allowed - diagnosis.connections, pool_size + _BESIDE_THE_POOL
    message = f"{free} of {allowed} free, {needed} needed"
    if free < needed:
        return wrong("connections", message, "raise max_connections, or lower --pool-size, or use a pooler")
    return fine("connections", message)


def _statement_timeout(diagnosis: Diagnosis) -> Finding:
    milliseconds = int(diagnosis.settings["statement_timeout"])
    message = f"statement_timeout is {milliseconds} ms" if milliseconds else "no statement_timeout"
    if 0 < milliseconds < _SHORTEST_STATEMENT_TIMEOUT:
        return warning("timeouts", message, "give this role 30s or more, so that pruning and migrating can end")
    return fine("timeouts", message)
