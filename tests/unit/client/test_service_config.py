from __future__ import annotations

import json

from gosynq.v1 import job_service_pb2
from gosynq_client.service_config import service_config

CONFIG = json.loads(service_config(health_checked=False))


def retried(service: str) -> set[str]:
    [method_config] = CONFIG["methodConfig"]
    return {name["method"] for name in method_config["name"] if name["service"] == f"gosynq.v1.{service}"}


def test_jobs_are_retried_where_that_can_not_do_a_thing_twice() -> None:
    methods = {method.name for method in job_service_pb2.DESCRIPTOR.services_by_name["JobService"].methods}

    assert methods - retried("JobService") == {"StreamEnqueueJobs", "RetryJob", "BulkRetryJobs"}


def test_workers_are_retried_by_their_lease_but_not_when_they_ask_for_more() -> None:
    assert retried("WorkerService") == {
        "CompleteJob",
        "FailJob",
        "SnoozeJob",
        "ReleaseJob",
        "AcknowledgeCancel",
        "ExtendLeases",
        "ReportProgress",
    }


def test_what_makes_something_new_each_time_is_not_retried() -> None:
    assert not retried("ScheduleService") & {"CreateSchedule", "TriggerSchedule"}
    assert "RedriveDeadLetterJobs" not in retried("AdminService")


def test_every_service_is_in_it() -> None:
    for service in ("AdminService", "EventService", "QueueService", "ScheduleService"):
        assert retried(service)


def test_only_a_server_that_is_away_or_stops_is_tried_again_and_no_time_out_is_set() -> None:
    [method_config] = CONFIG["methodConfig"]

    assert method_config.keys() == {"name", "retryPolicy"}
    assert method_config["retryPolicy"] == {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
    }
    assert CONFIG["loadBalancingConfig"] == [{"round_robin": {}}]


def test_health_is_asked_for_only_on_demand() -> None:
    assert "healthCheckConfig" not in CONFIG
    assert json.loads(service_config(health_checked=True))["healthCheckConfig"] == {
        "serviceName": "gosynq.v1.JobService"
    }
