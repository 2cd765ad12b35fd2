"""The options that say what a schedule is to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gosynq_server.cli import arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gosynq_client import ScheduleOptions, ScheduleTiming

_CLEARABLE: Final = (
    *("description", "time_zone", "overlap_policy", "catch_up_policy"),
    *("jitter", "start_at", "end_at"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingFlags:
    """When a schedule fires."""

    cron: Annotated[
        str, typer.Option(metavar="EXPRESSION", help='Five fields, such as "0 3 * * *", or @daily and the like.')
    ] = ""
    interval: Annotated[str, typer.Option(metavar="DURATION", help="Every so often, from 1s on.")] = ""
    once: Annotated[str, typer.Option(metavar="MOMENT", help="Once, then: 2030-01-31T12:00:00Z.")] = ""
    time_zone: Annotated[str, typer.Option(metavar="ZONE", help="Of --cron, such as Europe/Berlin; else UTC.")] = ""
    start_at: Annotated[str, typer.Option(metavar="MOMENT", help="Not before.")] = ""
    end_at: Annotated[str, typer.Option(metavar="MOMENT", help="Not after.")] = ""

    def options(self, *, needed: bool) -> ScheduleTiming:
        """Give what is said, for the client. Raises a usage error for two timings, or none where one is needed."""
        timings = {"--cron": self.cron, "--interval": self.interval, "--once": self.once}
        given = [option for option, text in timings.items() if text]
        if len(given) > 1:
            raise typer.BadParameter(f"{' and '.join(given)} exclude each other")
        if needed and not given:
            raise typer.BadParameter("one of --cron, --interval and --once is needed")
        return {
            "cron": self.cron,
            "interval": arguments.duration(self.interval, "--interval"),
            "once": arguments.moment(self.once, "--once"),
            "time_zone": self.time_zone,
            "start_at": arguments.moment(self.start_at, "--start-at"),
            "end_at": arguments.moment(self.end_at, "--end-at"),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFlags:
    """How a schedule fires, and what it is for."""

    overlap_policy: Annotated[
        str,
        typer.Option(help="While its last job is not over: allow, skip, cancel_previous or queue; allow by default."),
    ] = ""
    catch_up_policy: Annotated[
        str, typer.Option(help="For firings that were missed: none, one or all; one by default.")
    ] = ""
    jitter: Annotated[str, typer.Option(metavar="DURATION", help="Put each off by a random part of this.")] = ""
    description: Annotated[str, typer.Option(help="For a person.")] = ""

    def options(self) -> ScheduleOptions:
        """Give what is said, in the client's words."""
        from gosynq_client import CatchUpPolicy, OverlapPolicy  # noqa: PLC0415 - --help shall not wait for gRPC

        return {
            "overlap_policy": arguments.word(OverlapPolicy, self.overlap_policy, "--overlap-policy"),
            "catch_up_policy": arguments.word(CatchUpPolicy, self.catch_up_policy, "--catch-up-policy"),
            "jitter": arguments.duration(self.jitter, "--jitter"),
            "description": self.description,
        }


def schedule_options(timing: TimingFlags, policy: PolicyFlags, *, needed: bool) -> ScheduleOptions:
    """Give what is said of a schedule, its job apart."""
    said: ScheduleOptions = {**timing.options(needed=needed), **policy.options()}
    return {name: value for name, value in said.items() if value not in ("", None)}  # type: ignore[return-value]  # a part of it


def cleared(names: Sequence[str]) -> list[str]:
    """Read the names of options that are to be taken back."""
    fields = [name.removeprefix("--").replace("-", "_") for name in names]
    for name, field in zip(names, fields, strict=True):
        if field not in _CLEARABLE:
            allowed = ", ".join(each.replace("_", "-") for each in _CLEARABLE)
            raise typer.BadParameter(
                f"{name!r} is nothing that can be cleared; there are {allowed}", param_hint="--clear"
            )
    return fields
