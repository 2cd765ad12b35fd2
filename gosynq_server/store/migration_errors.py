"""What keeps the schema from being migrated: one class per situation, the docstring being the message."""

from __future__ import annotations

from gosynq_server.domain.errors import GosynqError


class MigrationError(GosynqError):
    """The schema cannot be migrated."""

    reason = "MIGRATION_REFUSED"


class MigrationsMissing(MigrationError):
    """No migrations were found in {places}."""


class MigrationFileInvalid(MigrationError):
    """The migration file {file} is wrong: {problem}."""


class MigrationGap(MigrationError):
    """Migration {version} is missing {place}; migrations are numbered without a gap and applied in order."""


class MigrationChanged(MigrationError):
    """Migration {version} ({name}) was changed after it was applied: restore its file and write a new one."""


class SchemaTooNew(MigrationError):
    """The database has schema version {found} and this program knows only {known}: run a newer program."""


class MigrationFailed(MigrationError):
    """Migration {version} ({name}) failed: {problem}."""


class MigrationRefused(MigrationError):
    """The database refused to be migrated or looked at: {problem}."""


class MigrationVersionUnknown(MigrationError):
    """There is no schema version {version} to go to; this program knows 0 to {known}."""


class MigrationsBusy(MigrationError):
    """Another runner ({owner}) migrates and holds its lease until {expires_at}; try again then."""


class MigrationLeaseLost(MigrationError):
    """The lease to migrate ran out, and another runner may have taken over; what was applied so far is recorded."""
