from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from rich.console import Console

from gosynq_client import EventType, SnapshotBegun, SnapshotComplete
from gosynq_server.cli.watch_screen import WatchScreen
from tests.unit.cli.watched import AT, CREATED, FAILED, JOB, Here

HERE = Here(server_time=AT + timedelta(milliseconds=250))


class Drawn(io.StringIO):
    """A terminal that tells when something is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


def terminal(file: Drawn, *, height: int = 20) -> Console:
    return Console(file=file, force_terminal=True, width=200, height=height, color_system=None)


def last_drawing(file: Drawn) -> list[str]:
    return [line.rstrip() for line in file.getvalue().rpartition("TIME ")[2].splitlines()]


async def shown(act: Callable[[WatchScreen], None], *, height: int = 20) -> list[str]:
    file = Drawn()
    with WatchScreen(terminal(file, height=height)) as screen:
        act(screen)
    return last_drawing(file)


async def test_events_are_counted_by_type_and_the_lag_is_told() -> None:
    def act(screen: WatchScreen) -> None:
        for event in (CREATED, CREATED, FAILED):
            screen.show(event, HERE)

    lines = await shown(act)

    assert lines[1].split() == ["12:00:00.123", "created", "job-1", "mail", "send_email", "pending"]
    assert "3 events: 2 created, 1 failed; the last was sent 0.250 s after it happened" in lines[4]


async def test_only_the_last_events_stay_where_the_terminal_is_small() -> None:
    def act(screen: WatchScreen) -> None:
        for type_ in EventType:
            screen.show(replace(CREATED, type=type_), HERE)

    lines = await shown(act, height=6)

    assert [line.split()[1] for line in lines[1:3]] == ["deleted", "unknown"]


async def test_a_snapshot_that_begins_clears_what_was_known() -> None:
    def act(screen: WatchScreen) -> None:
        for item in (JOB, SnapshotBegun(), JOB, SnapshotComplete(), CREATED):
            screen.show(item, HERE)

    lines = await shown(act)

    assert [line.split()[1] for line in lines[1:3]] == ["snapshot", "created"]
    assert lines[3].startswith("1 events")


async def test_before_the_first_event_it_is_told_how_to_end() -> None:
    assert "no event yet; Ctrl-C ends the watch" in (await shown(lambda _: None))[1]


async def test_what_came_is_drawn_soon_without_anything_else_coming() -> None:
    file = Drawn()
    with WatchScreen(terminal(file)) as screen:
        file.written.clear()
        screen.show(CREATED, HERE)
        screen.show(CREATED, HERE)
        async with asyncio.timeout(5):
            await file.written.wait()
        assert "2 events" in file.getvalue()
