"""Looking after schedules: created, read, changed, paused, resumed, triggered and previewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq_server.domain.errors import (
    EtagMismatch,
    GosynqError,
    PayloadTooLarge,
    ScheduleExists,
    ScheduleNotFound,
)
from gosynq_server.domain.job import JobId
from gosynq_server.domain.paging import decode_name_token, encode_name_token, schedules_digest
from gosynq_server.domain.schedule import SchedulePage, first_due, preview, same_timing, triggered_spec
from gosynq_server.service.wakeups import Signal
from gosynq_server.store import schedules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from gosynq_server.domain.schedule import Schedule, ScheduleSpec
    from gosynq_server.service.enqueue import Enqueuer
    from gosynq_server.service.queues import Queues
    from gosynq_server.store.database import Database, Executor, Transaction
    from gosynq_server.store.schedules import Locked

_PAGE_BYTES = 3 * 1024 * 1024
"""Of jobs in a page: a client takes messages of 4 MiB unless it is told otherwise."""


class Schedules:
    """Reads schedules and acts on them one by one, each verb in one transaction.

    changed is set when a schedule may be due earlier than was thought. Other servers need not hear of it, as this one
    fires.
    """

    def __init__(self, database: Database, queues: Queues, enqueuer: Enqueuer) -> None:
        self._database = database
        self._queues = queues
        self._enqueuer = enqueuer
        self.changed = Signal()

    async def create(self, spec: ScheduleSpec) -> Schedule:
        """Add a schedule; raises ScheduleExists, ScheduleInvalid and PayloadTooLarge."""
        created = await self._insert(self._database, spec)
        if created is None:
            raise ScheduleExists(schedule_id=spec.id)
        self.changed.set()
        return created

    async def get(self, schedule_id: str) -> Schedule:
        """Return a schedule; raises ScheduleNotFound."""
        found = await schedules.get(self._database, schedule_id)
        if found is None:
            raise ScheduleNotFound(schedule_id=schedule_id)
        return found

    async def list(self, *, page_size: int, page_token: str) -> SchedulePage:
        """Return a page of schedules, by id; raises PageTokenInvalid."""
        after = decode_name_token(page_token, schedules_digest()) if page_token else ""
        found = await schedules.list_page(self._database, after=after, limit=page_size + 1, content_limit=_PAGE_BYTES)
        page = tuple(found[:page_size])
        more = len(found) > page_size or (page and await self._follows(page[-1]))
        return SchedulePage(
            schedules=page,
            next_page_token=encode_name_token(schedules_digest(), page[-1].spec.id) if more else "",
        )

    async def update(
        self,
        schedule_id: str,
        change: Callable[[ScheduleSpec | None], ScheduleSpec],
        *,
        etag: str = "",
        allow_missing: bool = False,
    ) -> Schedule:
        """Write what change makes of a schedule, or of None where there is none and that is allowed.

        Raises ScheduleNotFound, EtagMismatch, ScheduleInvalid, PayloadTooLarge, and what change raises.
        """
        while True:
            async with self._database.transaction() as transaction:
                locked = await schedules.lock(transaction, schedule_id)
                written: Schedule | None
                if locked is not None:
                    written = await self._change(transaction, locked, change(locked.schedule.spec), etag=etag)
                elif allow_missing and not etag:
                    written = await self._insert(transaction, change(None))
                else:
                    raise ScheduleNotFound(schedule_id=schedule_id)
            if written is not None:  # else one of the id has come meanwhile
                self.changed.set()
                return written

    async def delete(self, schedule_id: str, *, etag: str, allow_missing: bool) -> None:
        """Delete a schedule; raises EtagMismatch, and ScheduleNotFound unless missing is allowed."""
        async with self._database.transaction() as transaction:
            locked = await schedules.lock(transaction, schedule_id)
            if locked is not None:
                _check_etag(locked.schedule, etag)
                await schedules.delete(transaction, schedule_id)
            elif not allow_missing:
                raise ScheduleNotFound(schedule_id=schedule_id)

    async def pause(self, schedule_id: str) -> Schedule:
        """Let a schedule fire no more; raises ScheduleNotFound."""
        async with self._database.transaction() as transaction:
            schedule = (await self._locked(transaction, schedule_id)).schedule
            if schedule.paused:
                return schedule
            return await schedules.set_paused(transaction, schedule_id, paused=True, next_run_at=None)

    async def resume(self, schedule_id: str) -> Schedule:
        """Let a schedule fire again, from now on; raises ScheduleNotFound."""
        async with self._database.transaction() as transaction:
            locked = await self._locked(transaction, schedule_id)
            schedule = locked.schedule
            if schedule.paused:
                due = schedule.calendar.due_after(locked.now)
                schedule = await schedules.set_paused(transaction, schedule_id, paused=False, next_run_at=due)
        self.changed.set()
        return schedule

    async def trigger(self, schedule_id: str, *, idempotency_key: str) -> str:
        """Enqueue a schedule's job and return its id; raises ScheduleNotFound and what an enqueue raises."""
        async with self._database.transaction() as transaction:
            # Locked before its job is added: whoever fires it takes locks in this order.
            locked = await self._locked(transaction, schedule_id)
            job = triggered_spec(locked.schedule.spec, idempotency_key=idempotency_key)
            (answer,) = await self._enqueuer.add_each(transaction, [job])
            if isinstance(answer, GosynqError):
                raise answer
            if not answer.deduplicated:
                await schedules.note_trigger(transaction, schedule_id, JobId(answer.job_id))
        self._enqueuer.wake([job])
        return answer.job_id

    async def preview(self, spec: ScheduleSpec, *, count: int) -> Sequence[datetime]:
        """Return when a schedule would fire if it were created now; raises ScheduleInvalid."""
        return preview(spec, await schedules.now(self._database), count=count)

    async def _insert(self, executor: Executor, spec: ScheduleSpec) -> Schedule | None:
        now = await schedules.now(executor)
        due = first_due(spec, now, created_at=now)
        await self._check_payload(spec)
        return await schedules.insert(executor, spec, created_at=now, next_run_at=due)

    async def _change(self, transaction: Transaction, locked: Locked, spec: ScheduleSpec, *, etag: str) -> Schedule:
        schedule = locked.schedule
        _check_etag(schedule, etag)
        if spec == schedule.spec:
            return schedule
        await self._check_payload(spec)
        due = schedule.next_run_at
        if not same_timing(spec, schedule.spec):
            due = first_due(spec, locked.now, created_at=schedule.created_at)
        return await schedules.update(transaction, spec, next_run_at=None if schedule.paused else due)

    async def _check_payload(self, spec: ScheduleSpec) -> None:
        limit = (await self._queues.get(spec.job.queue)).defaults.max_payload_bytes
        if len(spec.job.payload) > limit:
            raise PayloadTooLarge(size=len(spec.job.payload), limit=limit)

    async def _locked(self, transaction: Transaction, schedule_id: str) -> Locked:
        locked = await schedules.lock(transaction, schedule_id)
        if locked is None:
            raise ScheduleNotFound(schedule_id=schedule_id)
        return locked

    async def _follows(self, schedule: Schedule) -> bool:
        """Say whether there is one behind a schedule: a page may be short as its jobs are large."""
        return bool(await schedules.list_page(self._database, after=schedule.spec.id, limit=1, content_limit=0))


def _check_etag(schedule: Schedule, etag: str) -> None:
    if etag and etag != schedule.etag:
        raise EtagMismatch(etag=schedule.etag)
