"""When a schedule is due: by a cron expression in a time zone, every so often, or once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from gosynq_server.domain.errors import FieldViolation, ScheduleInvalid

_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_FIELD_COUNT = 5
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """Due at one moment."""

    at: datetime

    def due_after(self, moment: datetime) -> datetime | None:
        """Return the first due time after a moment, or None where there is none."""
        return self.at if self.at > moment else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Due every so often from an anchor on, which is due itself."""

    every: timedelta
    anchor: datetime

    def due_after(self, moment: datetime) -> datetime | None:
        """Return the first due time after a moment, or None at the end of time."""
        if moment < self.anchor:
            return self.anchor
        try:
            return self.anchor + ((moment - self.anchor) // self.every + 1) * self.every
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """Due when the local time of a zone fits an expression, as Debian's cron has it where clocks are changed.

    With a fixed minute and a fixed hour it is meant to be due once for each local time: one that is skipped is due at
    the first moment after the gap, one that comes twice is due at the first. Where the field of the minute or of the
    hour begins with a star, it is meant to be due at a steady pace: whenever the clock shows such a time.
    """

    expression: str
    zone: ZoneInfo

    def due_after(self, moment: datetime) -> datetime | None:
        """Return the first due time after a moment, or None where there is none in fifty years."""
        try:
            return self._paced_after(moment) if self._is_paced() else self._fixed_after(moment)
        except (StopIteration, OverflowError, ValueError):
            # Besides the end of the search there is that of the calendar.
            return None

    def _is_paced(self) -> bool:
        minute, hour, *_ = self.expression.split()
        return minute.startswith("*") or hour.startswith("*")

    def _fixed_after(self, moment: datetime) -> datetime:
        # Inside the second pass of an hour that comes twice the clock shows times that were due in the first.
        return next(due for local in self._fitting(self._local(moment)) if (due := self._first(local)) > moment)

    def _paced_after(self, moment: datetime) -> datetime:
        """Search from one change of the clock to the next, as local times run on only in between."""
        start, behind = moment, self._local(moment)
        while True:
            due = (next(self._fitting(behind)) - self._offset(start)).replace(tzinfo=UTC)
            end = min(due, start + _DAY)
            change = self._change_between(start, end)
            if change is not None:
                start, behind = change, self._local(change) - _SECOND
            elif due == end:
                return due
            else:
                # Nothing fits on the way there: a clock that is put back shows what it showed before.
                start = max(end, due - _DAY)
                behind = self._local(start)

    def _fitting(self, local: datetime) -> Iterator[datetime]:
        return CronSim(self.expression, local)

    def _change_between(self, start: datetime, end: datetime) -> datetime | None:
        """Return the first moment of another offset, to the second, or None where the offset is the same at the end."""
        before = self._offset(start)
        if self._offset(end) == before:
            return None
        while end - start > _SECOND:
            middle = start + (end - start) / 2
            if self._offset(middle) == before:
                start = middle
            else:
                end = middle
        return end.replace(microsecond=0)

    def _first(self, local: datetime) -> datetime:
        """Return the first moment at which the clock shows a time, or the end of the gap that it lies in."""
        due = local.replace(tzinfo=self.zone).astimezone(UTC)
        if self._local(due) == local:
            return due
        change = self._change_between(due - _DAY, due)
        return due if change is None else change

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None)

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self.zone).utcoffset() or timedelta()


Timing: TypeAlias = Cron | Interval | Once


def cron_of(text: str, zone: str) -> Cron:
    """Read a cron expression and the name of its time zone, "" being UTC. Raises ScheduleInvalid."""
    expression = _ALIASES.get(text, text)
    if len(expression.split()) != _FIELD_COUNT:
        raise _invalid("cron", f"must have five fields, or be one of {', '.join(_ALIASES)}")
    try:
        CronSim(expression, datetime(2000, 1, 1))  # noqa: DTZ001 - a local time
    except CronSimError as error:
        raise _invalid("cron", f"does not parse: {str(error).lower()}") from None
    return Cron(expression=expression, zone=zone_of(zone))


def zone_of(name: str) -> ZoneInfo:
    """Return the IANA time zone of a name, "" being UTC. Raises ScheduleInvalid."""
    # Not whatever a file can be found for: there are also zones that count leap seconds.
    if name and name not in _zone_names():
        raise _invalid("time_zone", "must be the name of an IANA time zone, as in Europe/Berlin, or empty for UTC")
    return ZoneInfo(name or "UTC")


_LOCAL_ZONES = {"localtime", "Factory"}
"""Names that each machine gives a meaning of its own."""


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones()) - _LOCAL_ZONES


def _invalid(field: str, description: str) -> ScheduleInvalid:
    return ScheduleInvalid((FieldViolation(field=f"schedule.{field}", description=description),))
