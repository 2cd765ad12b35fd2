"""The RPCs of the contract that this server does not answer yet; the generated base classes say UNIMPLEMENTED."""

from __future__ import annotations

UNIMPLEMENTED_RPCS = frozenset(
    {
        "/gosynq.v1.AdminService/ListDeadLetterJobs",
        "/gosynq.v1.AdminService/PurgeDeadLetterJobs",
        "/gosynq.v1.AdminService/RedriveDeadLetterJobs",
        "/gosynq.v1.JobService/BulkCancelJobs",
        "/gosynq.v1.JobService/BulkDeleteJobs",
        "/gosynq.v1.JobService/BulkRetryJobs",
    }
)
