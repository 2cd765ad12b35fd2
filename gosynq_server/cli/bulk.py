"""Commands that change many jobs: asked about first, told of as they go, and with exact sums whenever they end."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from gosynq_server.cli.connection import with_client
from gosynq_server.cli.endings import ended_from_outside
from gosynq_server.cli.output import as_json, print_json, print_line
from gosynq_server.cli.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from gosynq_client import BulkOptions, BulkSummary, Client
    from gosynq_server.config import ClientConfig

    Steps: TypeAlias = Callable[[Client, BulkOptions], AsyncGenerator[BulkSummary, None]]


_MOST = 10000


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkFlags:
    """How a command that changes many jobs is to go about it."""

    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many it would be.")] = False
    limit: Annotated[
        int, typer.Option(min=1, max=_MOST, metavar="NUMBER", help="How many jobs one call to the server handles.")
    ] = 1000
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkWork:
    """What is done to which jobs, as in "3 jobs deleted", and by which calls."""

    done: str
    which: BulkOptions
    steps: Steps
    asks: bool = True


def carry_out(config: ClientConfig, work: BulkWork, flags: BulkFlags) -> None:
    """Do it, or only say what it would be.

    What takes jobs away is asked about on a terminal, and needs --yes elsewhere.
    """
    if flags.dry_run:
        with_client(config, lambda client: _run(client, work, flags))
        return
    if work.asks and not flags.yes:
        _ask(config, work)
    with_client(config, lambda client: _run(client, work, flags))


def confirm(question: str) -> None:
    """Ask, and exit with 1 without a yes. Raises a usage error where there is nobody to ask."""
    need_somebody_to_ask()
    # Not typer.confirm: it writes a space to standard output, which is for answers.
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        sys.stderr.write("gosynq: nothing was done\n")
        raise typer.Exit(1)


def need_somebody_to_ask() -> None:
    """Raise a usage error where there is nobody to ask."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise typer.BadParameter("it is needed where nobody can be asked", param_hint="--yes")


def _ask(config: ClientConfig, work: BulkWork) -> None:
    async def count(client: Client) -> str:
        tally = _Tally()
        await tally.count(work.steps(client, {**work.which, "limit": _MOST, "validate_only": True}))
        return tally.words(asked=True)

    need_somebody_to_ask()
    confirm(f"{with_client(config, count)} would be {work.done}. Go on?")


async def _run(client: Client, work: BulkWork, flags: BulkFlags) -> None:
    tally = _Tally()
    limit = _MOST if flags.dry_run else flags.limit
    options: BulkOptions = {**work.which, "limit": limit, "validate_only": flags.dry_run}
    try:
        with ended_from_outside(), progress_bar() as bar:
            task = bar.add_task(work.done, total=None)
            tally.changed = lambda: bar.update(task, completed=tally.affected)
            await tally.count(work.steps(client, options))
    except (asyncio.CancelledError, typer.Exit):
        _tell(tally, work, flags, stopped=True)
        raise
    except Exception:
        if tally.affected:
            _tell(tally, work, flags, stopped=True)
        raise
    _tell(tally, work, flags, stopped=False)


class _Tally:
    """What all calls did so far."""

    def __init__(self) -> None:
        self.total: BulkSummary | None = None
        self.changed: Callable[[], object] = lambda: None

    @property
    def affected(self) -> int:
        return self.total.affected if self.total else 0

    def words(self, *, asked: bool) -> str:
        more = " or more" if asked and self.total and self.total.more else ""
        return f"{self.affected}{more} {'job' if self.affected == 1 and not more else 'jobs'}"

    async def count(self, steps: AsyncGenerator[BulkSummary, None]) -> None:
        """Take the steps. One that is under way when all is to end is waited for, so that the sum is right."""
        while True:
            step = asyncio.ensure_future(anext(steps, None))
            try:
                total = await asyncio.shield(step)
            except asyncio.CancelledError:
                self._take(await step)
                raise
            if total is None:
                return
            self._take(total)

    def _take(self, total: BulkSummary | None) -> None:
        self.total = total or self.total
        self.changed()


def _tell(tally: _Tally, work: BulkWork, flags: BulkFlags, *, stopped: bool) -> None:
    from gosynq_client import BulkSummary  # noqa: PLC0415 - --help shall not wait for gRPC

    total = tally.total or BulkSummary(affected=0)
    if flags.json:
        document = as_json(total)
        print_json({**(document if isinstance(document, dict) else {}), "dry_run": flags.dry_run, "stopped": stopped})
        return
    skipped = f", {total.skipped} skipped" if total.skipped else ""
    would = " would be" if flags.dry_run else ""
    print_line(f"{'stopped: ' if stopped else ''}{tally.words(asked=flags.dry_run)}{would} {work.done}{skipped}")
