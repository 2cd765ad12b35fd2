"""The RPCs of the contract that this server does not answer yet; the generated base classes say UNIMPLEMENTED."""

from __future__ import annotations

UNIMPLEMENTED_RPCS = frozenset(
    {
        "/gosynq.v1.ScheduleService/CreateSchedule",
        "/gosynq.v1.ScheduleService/DeleteSchedule",
        "/gosynq.v1.ScheduleService/GetSchedule",
        "/gosynq.v1.ScheduleService/ListSchedules",
        "/gosynq.v1.ScheduleService/PauseSchedule",
        "/gosynq.v1.ScheduleService/PreviewSchedule",
        "/gosynq.v1.ScheduleService/ResumeSchedule",
        "/gosynq.v1.ScheduleService/TriggerSchedule",
        "/gosynq.v1.ScheduleService/UpdateSchedule",
    }
)
