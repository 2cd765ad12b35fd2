"""Schedules and their model side by side, fired by one server or by several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gosynq_server.domain.errors import QueueDraining
from gosynq_server.domain.job import JobSpec, JobStatus
from gosynq_server.domain.schedule import CatchUpPolicy, OverlapPolicy, ScheduleSpec
from gosynq_server.store import jobs, keys
from tests.service.house import House
from tests.service.invariants import check_invariants
from tests.service.properties.conftest import Ground
from tests.service.properties.model import MINUTE
from tests.service.properties.schedule_model import PENDING, PROCESSING, ModelSchedule, SchedulesModel
from tests.service.properties.tables import shift

ALL = 1000
NAMES = ("a", "b", "c")

_FIRED = """
SELECT job.id::text AS id, job.schedule_id AS name, job.status, job.cancel_requested_at IS NOT NULL AS is_asked,
    round(extract(EPOCH FROM job.run_at - schedule.created_at) / 60)::integer AS due
FROM gosynq.jobs AS job
JOIN gosynq.schedules AS schedule ON job.schedule_id = schedule.id
ORDER BY job.id
"""

names = st.sampled_from(NAMES)
overlaps = st.sampled_from(OverlapPolicy)
catch_ups = st.sampled_from(CatchUpPolicy)
intervals = st.sampled_from([1, 3, 10])


class SchedulesMachine(RuleBasedStateMachine):
    """Everything that happens to some schedules, one thing after another."""

    ground: Ground

    def __init__(self) -> None:
        super().__init__()
        self.house: House = self.ground.house
        self.model = SchedulesModel()
        self.ground.clear()

    def teardown(self) -> None:
        self.ground.run(check_invariants(self.house.sql))

    @rule(name=names, every=intervals, overlap=overlaps, catch_up=catch_ups, ends=st.sampled_from([None, None, 12]))
    def create(self, name: str, every: int, overlap: OverlapPolicy, catch_up: CatchUpPolicy, ends: int | None) -> None:
        if name in self.model.schedules:
            return
        end_at = None if ends is None else datetime.now(UTC) + (ends + 0.5) * MINUTE
        self.ground.run(
            self.house.schedules.create(
                ScheduleSpec(
                    id=name,
                    job=JobSpec(queue="q", kind="k"),
                    interval=every * MINUTE,
                    overlap_policy=overlap,
                    catch_up_policy=catch_up,
                    end_at=end_at,
                )
            )
        )
        now = self.model.now
        last = 10**9 if ends is None else now + ends
        made = ModelSchedule(created=now, every=every, last=last, overlap=overlap, catch_up=catch_up)
        made.next = made.due_after(now)
        self.model.schedules[name] = made

    @precondition(lambda self: self.model.schedules)
    @rule(pick=st.integers(0, 2), overlap=overlaps, catch_up=catch_ups)
    def change_policies(self, pick: int, overlap: OverlapPolicy, catch_up: CatchUpPolicy) -> None:
        name = self._name(pick)
        self.ground.run(
            self.house.schedules.update(
                name, lambda spec: replace(_there(spec), overlap_policy=overlap, catch_up_policy=catch_up)
            )
        )
        self.model.change(name, overlap, catch_up)

    @precondition(lambda self: self.model.schedules)
    @rule(pick=st.integers(0, 2))
    def pause(self, pick: int) -> None:
        self.ground.run(self.house.schedules.pause(self._name(pick)))
        self.model.pause(self._name(pick))

    @precondition(lambda self: self.model.schedules)
    @rule(pick=st.integers(0, 2))
    def resume(self, pick: int) -> None:
        self.ground.run(self.house.schedules.resume(self._name(pick)))
        self.model.resume(self._name(pick))

    @precondition(lambda self: self.model.schedules)
    @rule(pick=st.integers(0, 2))
    def trigger(self, pick: int) -> None:
        triggered = self.house.schedules.trigger(self._name(pick), idempotency_key="")
        if self.model.is_draining:
            with pytest.raises(QueueDraining):
                self.ground.run(triggered)
        else:
            self.model.made(self._name(pick), self.ground.run(triggered))

    @precondition(lambda self: self.model.schedules and not self.model.is_draining)
    @rule()
    def drain(self) -> None:
        self.ground.run(self.house.queues.get_or_make("q"))
        self.ground.run(self.house.queue_verbs.drain("q", reason=""))
        self.model.is_draining = True

    @precondition(lambda self: self.model.is_draining)
    @rule()
    def take_jobs_again(self) -> None:
        self.ground.run(self.house.queue_verbs.resume("q"))
        self.ground.run(self.house.sql.execute("UPDATE gosynq.schedules SET look_at = next_run_at"))
        self.model.is_draining = False

    @rule(rivals=st.sampled_from([1, 1, 3]))
    def fire(self, rivals: int) -> None:
        expected = self.model.fire()
        self.ground.run(self._fire_together(rivals))
        self._learn(expected)

    async def _fire_together(self, rivals: int) -> None:
        await asyncio.gather(*(self._fire_all() for _ in range(rivals)))

    async def _fire_all(self) -> None:
        while await self.house.firer.fire(limit=1):
            pass

    def _learn(self, expected: dict[str, list[int]]) -> None:
        """Find a job for each due time that was to fire, and none besides."""
        made = [row for row in self._jobs() if row["id"] not in self.model.statuses]
        starts = {name: schedule.created for name, schedule in self.model.schedules.items()}
        assert sorted((row["name"], starts[row["name"]] + row["due"]) for row in made) == sorted(
            (name, due) for name, all_due in expected.items() for due in all_due
        )
        for row in sorted(made, key=lambda row: row["due"]):
            self.model.made(row["name"], row["id"])

    @rule(passed=st.sampled_from([1, 1, 2, 10, 150]))
    def pass_time(self, passed: int) -> None:
        self.ground.run(_pass(self.house, passed * MINUTE))
        self.model.now += passed

    @rule(wanted=st.integers(min_value=1, max_value=3))
    def work(self, wanted: int) -> None:
        self.ground.run(jobs.promote(self.house.database, "q", limit=ALL))
        self.ground.run(keys.admit(self.house.database, "q", limit=ALL))
        for lease in self.ground.run(self.house.lease(wanted)):
            assert self.model.statuses[lease.job_id] is PENDING
            self.model.statuses[lease.job_id] = PROCESSING

    @precondition(lambda self: self._unfinished())
    @rule(pick=st.integers(0, 20))
    def end(self, pick: int) -> None:
        unfinished = self._unfinished()
        job = unfinished[pick % len(unfinished)]
        self.ground.run(self.house.jobs.cancel(job, reason="", force=True))
        self.model.statuses[job] = JobStatus.CANCELLED

    def _unfinished(self) -> list[str]:
        return [job for job, status in self.model.statuses.items() if status in {PENDING, PROCESSING}]

    @invariant()
    def schedules_are_as_the_model_has_them(self) -> None:
        for name, expected in self.model.schedules.items():
            found = self.ground.run(self.house.schedules.get(name))
            next_run = (
                None if found.next_run_at is None else expected.created + _minutes(found.next_run_at - found.created_at)
            )
            assert (next_run, found.paused, found.last_job_id, bool(found.held_back)) == (
                expected.next,
                expected.paused,
                expected.last_job,
                expected.is_held_back,
            ), name

    @invariant()
    def jobs_are_as_the_model_has_them(self) -> None:
        rows = self._jobs()
        assert {row["id"]: row["status"] for row in rows} == self.model.statuses
        assert {row["id"] for row in rows if row["status"] == PROCESSING and row["is_asked"]} == {
            job for job in self.model.cancel_requested if self.model.statuses[job] is PROCESSING
        }

    def _jobs(self) -> Sequence[Any]:
        return self.ground.run(self.house.sql.fetch(_FIRED))  # type: ignore[no-any-return] # what a coroutine gives

    def _name(self, pick: int) -> str:
        return list(self.model.schedules)[pick % len(self.model.schedules)]


async def _pass(house: House, passed: timedelta) -> None:
    """Pass time for schedules too. A key of a firing names a moment, which is another one then."""
    await shift(house.sql, passed)
    await house.sql.execute(
        "UPDATE gosynq.schedules SET created_at = created_at - $1::interval, next_run_at = next_run_at - $1::interval,"
        " look_at = look_at - $1::interval, end_at = end_at - $1::interval",
        passed,
    )
    await house.sql.execute("UPDATE gosynq.finished SET run_at = run_at - $1::interval", passed)
    await house.sql.execute("UPDATE gosynq.idempotency_keys SET key = key || gen_random_uuid()")


def _minutes(length: timedelta) -> int:
    return round(length / MINUTE)


def _there(spec: ScheduleSpec | None) -> ScheduleSpec:
    assert spec is not None
    return spec
