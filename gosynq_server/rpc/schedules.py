"""ScheduleService: convert, call, convert."""

# The contract names a servicer's methods and their arguments.
# ruff: noqa: ARG002, N802

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gosynq.v1 import schedule_service_pb2 as messages
from gosynq.v1 import schedule_service_pb2_grpc
from gosynq_server.rpc.convert import moment_message, text_of
from gosynq_server.rpc.convert_schedules import (
    change_of,
    previewed_count,
    previewed_spec_of,
    schedule_message,
    schedule_page_size_of,
    schedule_spec_of,
    schedules_message,
)

if TYPE_CHECKING:
    import grpc

    from gosynq_server.service.schedules import Schedules

    Context = grpc.aio.ServicerContext[Any, Any]


class ScheduleServicer(schedule_service_pb2_grpc.ScheduleServiceServicer):
    """Answers ScheduleService."""

    def __init__(self, schedules: Schedules) -> None:
        self._schedules = schedules

    async def CreateSchedule(
        self, request: messages.CreateScheduleRequest, context: Context
    ) -> messages.CreateScheduleResponse:
        """Add a schedule."""
        created = await self._schedules.create(schedule_spec_of(request.schedule))
        return messages.CreateScheduleResponse(schedule=schedule_message(created))

    async def GetSchedule(self, request: messages.GetScheduleRequest, context: Context) -> messages.GetScheduleResponse:
        """Return a schedule."""
        found = await self._schedules.get(request.schedule_id)
        return messages.GetScheduleResponse(schedule=schedule_message(found))

    async def ListSchedules(
        self, request: messages.ListSchedulesRequest, context: Context
    ) -> messages.ListSchedulesResponse:
        """Return a page of schedules."""
        token = text_of(request.page_token, "page_token")
        size = schedule_page_size_of(request.page_size)
        return schedules_message(await self._schedules.list(page_size=size, page_token=token))

    async def UpdateSchedule(
        self, request: messages.UpdateScheduleRequest, context: Context
    ) -> messages.UpdateScheduleResponse:
        """Change a schedule."""
        wanted = request.schedule
        updated = await self._schedules.update(
            wanted.id, change_of(request), etag=wanted.etag, allow_missing=request.allow_missing
        )
        return messages.UpdateScheduleResponse(schedule=schedule_message(updated))

    async def DeleteSchedule(
        self, request: messages.DeleteScheduleRequest, context: Context
    ) -> messages.DeleteScheduleResponse:
        """Delete a schedule."""
        await self._schedules.delete(request.schedule_id, etag=request.etag, allow_missing=request.allow_missing)
        return messages.DeleteScheduleResponse()

    async def PauseSchedule(
        self, request: messages.PauseScheduleRequest, context: Context
    ) -> messages.PauseScheduleResponse:
        """Stop the firings."""
        paused = await self._schedules.pause(request.schedule_id)
        return messages.PauseScheduleResponse(schedule=schedule_message(paused))

    async def ResumeSchedule(
        self, request: messages.ResumeScheduleRequest, context: Context
    ) -> messages.ResumeScheduleResponse:
        """Start the firings again."""
        resumed = await self._schedules.resume(request.schedule_id)
        return messages.ResumeScheduleResponse(schedule=schedule_message(resumed))

    async def TriggerSchedule(
        self, request: messages.TriggerScheduleRequest, context: Context
    ) -> messages.TriggerScheduleResponse:
        """Enqueue a schedule's job."""
        job = await self._schedules.trigger(request.schedule_id, idempotency_key=request.idempotency_key)
        return messages.TriggerScheduleResponse(job_id=job)

    async def PreviewSchedule(
        self, request: messages.PreviewScheduleRequest, context: Context
    ) -> messages.PreviewScheduleResponse:
        """Say when a schedule would fire."""
        spec = previewed_spec_of(request.schedule)
        due = await self._schedules.preview(spec, count=previewed_count(request.count))
        return messages.PreviewScheduleResponse(run_times=[moment_message(each) for each in due])
