"""Due times over changes of the clock, in zones that change it in all the ways there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosynq_server.domain.errors import ScheduleInvalid
from gosynq_server.domain.timing import Cron, Interval, Once, cron_of, zone_of

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

BERLIN_SPRING = datetime(2026, 3, 29, tzinfo=UTC)  # 02:00 -> 03:00 at 01:00Z
BERLIN_AUTUMN = datetime(2026, 10, 25, tzinfo=UTC)  # 03:00 -> 02:00 at 01:00Z


def _times(cron: str, zone: str, start: datetime, count: int) -> list[str]:
    """Name the next due times in UTC."""
    timing, found = cron_of(cron, zone), []
    for _ in range(count):
        due = timing.due_after(start)
        assert due is not None
        assert due > start
        assert due.tzinfo is UTC
        found.append(f"{due:%d %H:%M}")
        start = due
    return found


@pytest.mark.parametrize(
    ("cron", "zone", "start", "expected"),
    [
        # A fixed local time that is skipped is due after the gap, once; the next one as ever.
        ("30 2 * * *", "Europe/Berlin", BERLIN_SPRING, ["29 01:00", "30 00:30"]),
        ("15,45 2 * * *", "Europe/Berlin", BERLIN_SPRING, ["29 01:00", "30 00:15"]),
        ("0 2,3 * * *", "Europe/Berlin", BERLIN_SPRING, ["29 01:00", "30 00:00"]),
        ("30 2,3 * * *", "Europe/Berlin", BERLIN_SPRING, ["29 01:00", "29 01:30", "30 00:30"]),
        ("0 3 * * *", "Europe/Berlin", BERLIN_SPRING, ["29 01:00", "30 01:00"]),
        ("30 2 8 3 *", "America/New_York", datetime(2026, 3, 8, tzinfo=UTC), ["08 07:00", "08 07:30"]),
        ("15 2 * * *", "Australia/Lord_Howe", datetime(2026, 10, 3, tzinfo=UTC), ["03 15:30", "04 15:15"]),
        ("0 0 * * *", "Africa/Cairo", datetime(2026, 4, 23, 12, tzinfo=UTC), ["23 22:00", "24 21:00"]),
        ("30 0 * * 5", "Africa/Cairo", datetime(2026, 4, 23, 12, tzinfo=UTC), ["23 22:00", "30 21:30"]),
        ("0 0 * * *", "America/Havana", datetime(2026, 3, 8, 0, tzinfo=UTC), ["08 05:00", "09 04:00"]),
        ("0 12 30 12 *", "Pacific/Apia", datetime(2011, 12, 29, 12, tzinfo=UTC), ["30 10:00", "29 22:00"]),
        # A fixed local time that comes twice is due at the first.
        ("30 2 * * *", "Europe/Berlin", BERLIN_AUTUMN, ["25 00:30", "26 01:30"]),
        ("30 2 * * *", "Europe/Berlin", BERLIN_AUTUMN + HOUR + 10 * MINUTE, ["26 01:30"]),
        ("30 1 * * *", "America/New_York", datetime(2026, 11, 1, tzinfo=UTC), ["01 05:30", "02 06:30"]),
        ("45 1 * * *", "Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC), ["04 14:45", "05 15:15"]),
        ("30 23 * * *", "Africa/Cairo", datetime(2026, 10, 29, 12, tzinfo=UTC), ["29 20:30", "30 21:30"]),
        ("0 3 * * *", "Europe/Berlin", BERLIN_AUTUMN, ["25 02:00", "26 02:00"]),
        # With a star it is a steady pace, in an hour that comes twice too.
        ("*/30 * * * *", "Europe/Berlin", BERLIN_SPRING + 20 * MINUTE, ["29 00:30", "29 01:00", "29 01:30"]),
        (
            "*/30 * * * *",
            "Europe/Berlin",
            BERLIN_AUTUMN + 20 * MINUTE,
            ["25 00:30", "25 01:00", "25 01:30", "25 02:00"],
        ),
        ("0 * * * *", "Europe/Berlin", BERLIN_AUTUMN - MINUTE, ["25 00:00", "25 01:00", "25 02:00"]),
        ("*/30 2 * * *", "Europe/Berlin", BERLIN_AUTUMN - MINUTE, ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]),
        ("*/30 2 * * *", "Europe/Berlin", BERLIN_SPRING, ["30 00:00", "30 00:30"]),
        ("0 */2 * * *", "Europe/Berlin", BERLIN_SPRING - 2 * HOUR, ["28 23:00", "29 02:00", "29 04:00"]),
        # By half an hour, where a step of an hour steps over something.
        ("*/10 2 * * *", "Australia/Lord_Howe", datetime(2026, 4, 4, 14, tzinfo=UTC), ["04 15:30", "04 15:40"]),
        ("*/10 3 * * *", "Australia/Lord_Howe", datetime(2026, 10, 3, 14, tzinfo=UTC), ["03 16:00", "03 16:10"]),
        ("*/15 1 * * *", "Australia/Lord_Howe", datetime(2026, 4, 4, 14, 40, tzinfo=UTC), ["04 14:45", "04 15:00"]),
        ("*/20 0 24 4 *", "Africa/Cairo", datetime(2026, 4, 20, tzinfo=UTC), ["23 22:00", "23 22:20"]),
        # Zones of odd offsets, and without changes.
        ("0 0 * * *", "Asia/Kathmandu", NOON, ["01 18:15", "02 18:15"]),
        ("0 0 * * *", "Pacific/Chatham", datetime(2026, 4, 4, tzinfo=UTC), ["04 10:15", "05 11:15"]),
        ("0 9 * * MON-FRI", "", datetime(2026, 3, 6, 10, tzinfo=UTC), ["09 09:00", "10 09:00"]),
        ("0 0 L * *", "", NOON, ["31 00:00", "30 00:00"]),
        ("@monthly", "Europe/Berlin", NOON, ["31 22:00", "30 22:00"]),
        ("@hourly", "", NOON, ["01 13:00", "01 14:00"]),
        ("0 0 29 2 *", "", NOON, ["29 00:00"]),
    ],
)
def test_due_times_over_changes_of_the_clock(cron: str, zone: str, start: datetime, expected: list[str]) -> None:
    assert _times(cron, zone, start, len(expected)) == expected


_ZONES = (
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Antarctica/Troll",
    "UTC",
)


def _minutes(cron: Cron, start: datetime, end: datetime) -> list[datetime]:
    """Find due times minute by minute, as anyone would who watches the clock."""
    minute, hour, *_ = (_numbers(field) for field in cron.expression.split())
    paced = "*" in cron.expression.split()[0] + cron.expression.split()[1]
    found, moment = [], start + MINUTE
    seen: set[datetime] = set()
    shown = start.astimezone(cron.zone).replace(tzinfo=None)
    while moment <= end:
        local = moment.astimezone(cron.zone).replace(tzinfo=None)
        # A clock that is put forward passes what it skips at once.
        steps = 1 if paced else max(1, (local - shown) // MINUTE)
        passed = [local - MINUTE * back for back in range(steps)]
        fits = {at for at in passed if at.minute in minute and at.hour in hour}
        if fits if paced else fits - seen:
            found.append(moment)
        seen |= fits
        shown = local
        moment += MINUTE
    return found


def _numbers(field: str) -> frozenset[int]:
    if field.startswith("*"):
        return frozenset(range(0, 60, int(field[2:] or 1) if "/" in field else 1))
    return frozenset(map(int, field.split(",")))


_fixed = st.lists(st.integers(0, 23), min_size=1, max_size=3).map(lambda hours: ",".join(map(str, hours)))
_minute = st.sampled_from(["0", "30", "15,45", "7", "59"])
_star = st.sampled_from(["*", "*/2", "*/5", "*/7", "*/15", "*/20"])
_MIDNIGHTS = [datetime(2026, 1, 1) + DAY * day for day in range(365)]  # noqa: DTZ001 - of every zone
_PLACES = [
    (zone, midnight.replace(tzinfo=UTC))
    for zone in _ZONES
    for midnight in _MIDNIGHTS
    if zone_of(zone).utcoffset(midnight) != zone_of(zone).utcoffset(midnight + DAY)
]


@settings(max_examples=60, deadline=None)
@given(place=st.sampled_from(_PLACES), fields=st.tuples(_minute | _star, _fixed | _star))
def test_due_times_are_those_that_a_clock_shows_minute_by_minute(
    place: tuple[str, datetime], fields: tuple[str, str]
) -> None:
    zone, change = place
    timing = cron_of(f"{fields[0]} {fields[1]} * * *", zone)
    start, end = change - 14 * HOUR, change + 36 * HOUR
    found, moment = [], start
    while (due := timing.due_after(moment)) is not None and due <= end:
        found.append(due)
        moment = due
    assert found == _minutes(timing, start, end)


def test_a_moment_between_two_due_times_has_the_second_as_its_next() -> None:
    timing = cron_of("*/7 * * * *", "Australia/Lord_Howe")
    start = datetime(2026, 4, 4, 13, tzinfo=UTC)
    due = [start]
    while len(due) < 40:
        due.append(timing.due_after(due[-1]) or start)
    for earlier, later in pairwise(due[1:]):
        assert timing.due_after(earlier + (later - earlier) / 2) == later
        assert timing.due_after(later - timedelta(microseconds=1)) == later


def test_what_never_fits_is_never_due() -> None:
    assert cron_of("0 0 29 2 MON#1", "").due_after(NOON) is not None
    assert cron_of("0 0 */30 * MON#2", "Europe/Berlin").due_after(NOON) is None
    assert cron_of("0 0 1 1 *", "Europe/Berlin").due_after(datetime(9999, 6, 1, tzinfo=UTC)) is None
    assert cron_of("* * * * *", "Asia/Tokyo").due_after(datetime.max.replace(tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("text", "zone", "field", "words"),
    [
        ("* * * *", "", "schedule.cron", "five fields, or be one of @hourly"),
        ("0 * * * * *", "", "schedule.cron", "five fields"),
        ("@reboot", "", "schedule.cron", "five fields"),
        ("60 * * * *", "", "schedule.cron", "bad minute"),
        ("0 24 * * *", "", "schedule.cron", "bad hour"),
        ("0 0 * * 8", "", "schedule.cron", "bad day-of-week"),
        ("0 0 30 2 *", "", "schedule.cron", "bad day-of-month"),
        ("0 0 * * *", "Europe/Atlantis", "schedule.time_zone", "IANA time zone"),
        ("0 0 * * *", "right/UTC", "schedule.time_zone", "IANA time zone"),
        ("0 0 * * *", "../../etc/passwd", "schedule.time_zone", "IANA time zone"),
        ("0 0 * * *", "Europe", "schedule.time_zone", "IANA time zone"),
    ],
)
def test_what_does_not_parse_is_refused_by_its_field(text: str, zone: str, field: str, words: str) -> None:
    with pytest.raises(ScheduleInvalid) as refused:
        cron_of(text, zone)
    violation = refused.value.violations[0]
    assert violation.field == field
    assert words in violation.description


def test_an_interval_is_counted_from_its_anchor_which_is_due_itself() -> None:
    timing = Interval(every=timedelta(minutes=10), anchor=NOON)
    assert timing.due_after(NOON - DAY) == NOON
    assert timing.due_after(NOON) == NOON + 10 * MINUTE
    assert timing.due_after(NOON + 10 * MINUTE - timedelta(microseconds=1)) == NOON + 10 * MINUTE
    assert timing.due_after(NOON + 365 * DAY + MINUTE) == NOON + 365 * DAY + 10 * MINUTE
    assert timing.due_after(datetime.max.replace(tzinfo=UTC)) is None


def test_once_is_due_once() -> None:
    assert Once(at=NOON).due_after(NOON - DAY) == NOON
    assert Once(at=NOON).due_after(NOON) is None
