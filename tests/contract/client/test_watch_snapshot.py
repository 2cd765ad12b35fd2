"""A watch that begins with a snapshot, over a real connection."""

from __future__ import annotations

import asyncio

from gosynq_client import (
    Client,
    Job,
    JobEvent,
    SnapshotBegun,
    SnapshotComplete,
)
from tests.contract.client.scripted import UNAVAILABLE, Script
from tests.contract.client.watching import SECONDS, jobs, says, stays, told


def show(item: object) -> str:
    match item:
        case JobEvent():
            return item.event_id
        case Job():
            return item.id
        case _:
            return type(item).__name__


async def test_a_snapshot_comes_first_and_is_marked(script: Script, client: Client) -> None:
    script.watches.append(
        stays(jobs("job-1", "job-2"), jobs("job-3", cursor="c1", snapshot_complete=True), told("c2", "a"))
    )
    watch = client.watch(snapshot=True)

    async with asyncio.timeout(SECONDS):
        seen = [(show(await anext(watch)), watch.cursor) for _ in range(6)]

    assert seen == [
        ("SnapshotBegun", None),
        ("job-1", None),
        ("job-2", None),
        ("job-3", None),
        ("SnapshotComplete", "c1"),
        ("a", "c2"),
    ]
    assert script.requests("WatchEvents")[0].snapshot


async def test_a_snapshot_that_breaks_is_begun_again_and_a_complete_one_is_not(script: Script, client: Client) -> None:
    script.watches += (
        says(jobs("job-1", "job-2"), UNAVAILABLE),
        says(told(""), jobs("job-2", cursor="c1", snapshot_complete=True), UNAVAILABLE),
        stays(told("c2", "a")),
    )
    watch = client.watch(snapshot=True)

    async with asyncio.timeout(SECONDS):
        items = [await anext(watch) for _ in range(7)]

    assert items[0] == items[3] == SnapshotBegun()
    assert items[5] == SnapshotComplete()
    assert [show(item) for item in items if isinstance(item, Job | JobEvent)] == ["job-1", "job-2", "job-2", "a"]
    asked = script.requests("WatchEvents")
    assert [(request.snapshot, request.cursor) for request in asked] == [(True, ""), (True, ""), (False, "c1")]


async def test_a_cursor_inside_a_snapshot_is_no_place_to_go_on_from(script: Script, client: Client) -> None:
    script.watches += says(told("c1"), jobs("job-1", cursor="c1"), UNAVAILABLE), stays(jobs("job-1"))
    watch = client.watch(snapshot=True)

    async with asyncio.timeout(SECONDS):
        items = [await anext(watch) for _ in range(4)]

    assert [show(item) for item in items] == ["SnapshotBegun", "job-1"] * 2
    assert watch.cursor is None
    assert [request.snapshot for request in script.requests("WatchEvents")] == [True, True]
