"""How a watch is told: lines for people, one JSON document a line for programs; the live table stands beside."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias

from gosynq_server.cli.output import as_json_line, cell, print_json, print_line
from gosynq_server.telemetry.text import printable

if TYPE_CHECKING:
    from gosynq_client import GosynqError, Job, JobEvent, WatchItem

Row: TypeAlias = tuple[datetime, str, str, str, str, str, str]


class Place(Protocol):
    """Where a watch is, and when the server said so."""

    @property
    def cursor(self) -> str | None:
        """Goes on right after what has been given."""

    @property
    def server_time(self) -> datetime | None:
        """The server's clock when it sent that."""


def row(item: JobEvent | Job) -> Row:
    """Say in a few words what happened to a job, or, in a snapshot, how it is."""
    from gosynq_client import JobEvent  # noqa: PLC0415 - --help shall not wait for gRPC

    if isinstance(item, JobEvent):
        named = (item.timestamp, item.type.value, item.job_id)
    else:
        named = (item.updated_at, "snapshot", item.id)
    return (*named, item.queue, item.kind, item.status.value, _detail(item))


def tell_line(item: WatchItem, _place: Place) -> None:
    """Print a line for a person."""
    from gosynq_client import SnapshotBegun, SnapshotComplete  # noqa: PLC0415 - as above

    match item:
        case SnapshotBegun():
            print_line("the jobs as they are, less those that are over:")
        case SnapshotComplete():
            print_line("that was all; what happens to them from here on:")
        case _:
            moment, type_, job_id, *rest = row(item)
            print_line("  ".join((cell(moment).plain, f"{type_:<16}", job_id, *rest)).rstrip())


def tell_document(item: WatchItem, place: Place) -> None:
    """Print a document: what came, under what it is, and where the watch is after it."""
    from gosynq_client import JobEvent, SnapshotBegun, SnapshotComplete  # noqa: PLC0415 - as above

    match item:
        case JobEvent():
            print_json({"event": item, "cursor": place.cursor})
        case SnapshotBegun():
            print_json({"snapshot": "begun", "cursor": place.cursor})
        case SnapshotComplete():
            print_json({"snapshot": "complete", "cursor": place.cursor})
        case _:
            print_json({"job": item, "cursor": place.cursor})


class Notices:
    """Tells on standard error of a connection that is lost and found again; to be a watch's `on_connection`.

    A first connection that does not come about is no interruption: the error is raised, and ends the watch.
    """

    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._answered = False
        self._told = ""

    def heard(self, error: GosynqError | None) -> None:
        """Tell of an interruption, once while its cause is the same, and of its end."""
        if error is None:
            if self._told:
                self._tell("resumed", "a server answers again, and the watch goes on where it was")
            self._answered, self._told = True, ""
            return
        if not self._answered:
            raise error
        if self._told != str(error):
            self._told = str(error)
            self._tell("interrupted", self._told)

    def left(self, cursor: str | None) -> None:
        """Tell where a watch that is ended can be taken up again."""
        if cursor:
            self._tell("ended", f"--cursor {cursor} goes on from here")

    def _tell(self, what: str, why: str) -> None:
        line = as_json_line({"watch": what, "message": why}) if self._json else printable(f"gosynq: {what}: {why}")
        sys.stderr.write(f"{line}\n")


def _detail(item: JobEvent | Job) -> str:
    from gosynq_client import JobEvent  # noqa: PLC0415 - as above

    said = [f"attempt {item.attempt}" if item.attempt else ""]
    if item.progress:
        said.append(f"{item.progress.current}/{item.progress.total} {item.progress.message}".rstrip())
    if isinstance(item, JobEvent):
        said.append(": ".join(filter(None, (item.error_type, item.error))))
        said.append(f"next at {cell(item.next_run_at)}" if item.next_run_at else "")
    said.append(cell(item.payload).plain if item.payload is not None else "")
    return ", ".join(filter(None, said))
