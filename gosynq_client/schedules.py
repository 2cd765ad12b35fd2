"""The calls that look after schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from gosynq.v1 import schedule_service_pb2, schedule_service_pb2_grpc
from gosynq_client.schedule_messages import preview, read_schedule, schedule_message, schedule_update
from gosynq_client.times import moment_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from datetime import datetime

    import grpc

    from gosynq_client.caller import Caller
    from gosynq_client.listing import Names
    from gosynq_client.schedule_info import Schedule, ScheduleOptions, ScheduleTiming


class Schedules:
    """A server's schedules, as `Client.schedules`. Each call that names one raises ScheduleNotFound."""

    def __init__(self, caller: Caller, channel: grpc.aio.Channel) -> None:
        self._caller = caller
        self._schedules: schedule_service_pb2_grpc.ScheduleServiceAsyncStub = (
            schedule_service_pb2_grpc.ScheduleServiceStub(channel)
        )

    async def list(self, *, page_size: int = 0) -> AsyncGenerator[Schedule, None]:
        """Give the schedules by id, asking for page after page as they are taken."""
        request = schedule_service_pb2.ListSchedulesRequest(page_size=page_size)
        async for page in self._caller.pages(self._schedules.ListSchedules, request):
            for schedule in page.schedules:
                yield read_schedule(schedule)

    async def get(self, schedule_id: str) -> Schedule:
        """Give one schedule."""
        request = schedule_service_pb2.GetScheduleRequest(schedule_id=schedule_id)
        return read_schedule((await self._caller.call(self._schedules.GetSchedule, request)).schedule)

    async def create(self, schedule_id: str, **options: Unpack[ScheduleOptions]) -> Schedule:
        """Make a schedule under an id of the caller's; `ScheduleOptions` tells what may be said of it.

            await client.schedules.create("nightly", cron="0 3 * * *", job=JobRequest("clean_up"))

        Raises ScheduleExists, ScheduleInvalid or ValidationFailed.
        """
        request = schedule_service_pb2.CreateScheduleRequest(schedule=schedule_message(schedule_id, options))
        return read_schedule((await self._caller.call(self._schedules.CreateSchedule, request)).schedule)

    async def update(
        self,
        schedule_id: str,
        *,
        clear: Names = (),
        etag: str = "",
        create: bool = False,
        **options: Unpack[ScheduleOptions],
    ) -> Schedule:
        """Change what the options say of a schedule, and nothing else, and give it as it is then.

        The job is changed as a whole. `clear` names fields, as the contract does, that are no longer to be said. With
        an `etag` the schedule must be as it was when that was read; `create` makes it if there is none. Raises
        EtagMismatch, ScheduleInvalid, UpdateMaskInvalid or ValidationFailed.
        """
        request = schedule_update(schedule_id, options, clear=clear, etag=etag, create=create)
        return read_schedule((await self._caller.call(self._schedules.UpdateSchedule, request)).schedule)

    async def delete(self, schedule_id: str, *, allow_missing: bool = False, etag: str = "") -> None:
        """Delete a schedule; its jobs stay. Raises EtagMismatch, and ScheduleNotFound without `allow_missing`."""
        request = schedule_service_pb2.DeleteScheduleRequest(
            schedule_id=schedule_id, allow_missing=allow_missing, etag=etag
        )
        await self._caller.call(self._schedules.DeleteSchedule, request)

    async def pause(self, schedule_id: str) -> Schedule:
        """Have a schedule fire only when it is triggered."""
        request = schedule_service_pb2.PauseScheduleRequest(schedule_id=schedule_id)
        return read_schedule((await self._caller.call(self._schedules.PauseSchedule, request)).schedule)

    async def resume(self, schedule_id: str) -> Schedule:
        """Have a paused schedule fire again, from now on."""
        request = schedule_service_pb2.ResumeScheduleRequest(schedule_id=schedule_id)
        return read_schedule((await self._caller.call(self._schedules.ResumeSchedule, request)).schedule)

    async def trigger(self, schedule_id: str, *, idempotency_key: str = "") -> str:
        """Enqueue a schedule's job once, now, paused or not, and give its id. Raises what an enqueue does."""
        request = schedule_service_pb2.TriggerScheduleRequest(schedule_id=schedule_id, idempotency_key=idempotency_key)
        return (await self._caller.call(self._schedules.TriggerSchedule, request)).job_id

    async def preview(self, *, count: int = 5, **timing: Unpack[ScheduleTiming]) -> Sequence[datetime]:
        """Say when a schedule would fire, the next time first, without making it. Raises ScheduleInvalid."""
        response = await self._caller.call(self._schedules.PreviewSchedule, preview(timing, count))
        return [moment_of(run_time) for run_time in response.run_times]
