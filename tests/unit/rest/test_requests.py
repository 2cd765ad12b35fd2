from dataclasses import dataclass
from typing import Any

import pytest

from gosynq.v1 import job_pb2, job_service_pb2, queue_pb2, queue_service_pb2, schedule_service_pb2
from gosynq_server.rest.bindings import RouteTable, contract_bindings
from gosynq_server.rest.refusals import FieldInvalid
from gosynq_server.rest.requests import HttpRequest, request_message

TABLE = RouteTable(contract_bindings())
ORIGINAL = b'{"queue":"high","payload":{"task":"send_email","to":"a@b.c"},"max_retries":3,"priority":"high"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    line: str
    body: bytes = b""
    key: str = ""

    def message(self) -> Any:
        method, _, target = self.line.partition(" ")
        path, _, query = target.partition("?")
        binding, variables = TABLE.find(method, path)
        http = HttpRequest(variables=variables, query=query, body=self.body, idempotency_key=self.key)
        return request_message(binding, http)

    def problem(self) -> str:
        with pytest.raises(FieldInvalid) as refused:
            self.message()
        return str(refused.value)


def test_the_originals_body_has_its_kind_in_its_payload() -> None:
    request = Case(line="POST /api/v1/jobs", body=ORIGINAL).message()

    expected = job_pb2.JobSpec(queue="high", kind="send_email", max_retries=3, priority=job_pb2.JOB_PRIORITY_HIGH)
    expected.payload.update({"task": "send_email", "to": "a@b.c"})
    assert request == job_service_pb2.EnqueueJobRequest(job=expected)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"kind":"x","payload":{"task":"y"}}', "x"),
        (b'{"kind":"","payload":{"task":"y"}}', "y"),
        (b'{"payload":{"task":5}}', ""),
        (b'{"payload":{}}', ""),
        (b'{"payload_bytes":"AA=="}', ""),
        (b"{}", ""),
        (b"", ""),
    ],
)
def test_a_kind_of_its_own_goes_before_the_payloads_task(body: bytes, kind: str) -> None:
    assert Case(line="POST /api/v1/jobs", body=body).message().job.kind == kind


def test_a_job_that_is_not_there_is_left_to_the_server_to_refuse() -> None:
    assert not Case(line="POST /api/v1/jobs").message().HasField("job")
    assert Case(line="POST /api/v1/jobs", body=b"{}").message().HasField("job")


def test_path_query_and_body_fill_one_message() -> None:
    line = "PATCH /api/v1/queues/high?update_mask=limits.maxConcurrency&allow_missing=true"

    request = Case(line=line, body=b'{"limits":{"max_concurrency":3}}').message()

    expected = queue_service_pb2.UpdateQueueRequest(
        queue=queue_pb2.Queue(name="high", limits=queue_pb2.QueueLimits(max_concurrency=3)), allow_missing=True
    )
    expected.update_mask.paths.append("limits.max_concurrency")
    assert request == expected


def test_a_verb_needs_no_body() -> None:
    assert Case(line="POST /api/v1/jobs/a:cancel").message() == job_service_pb2.CancelJobRequest(job_id="a")


def test_a_key_in_the_header_fills_the_field() -> None:
    request = Case(line="POST /api/v1/jobs", body=b'{"queue":"a"}', key="k").message()
    assert request.job.idempotency_key == "k"

    request = Case(line="POST /api/v1/schedules/dawn:trigger", key="k").message()
    assert request == schedule_service_pb2.TriggerScheduleRequest(schedule_id="dawn", idempotency_key="k")


def test_a_key_in_both_places_is_one_key() -> None:
    request = Case(line="POST /api/v1/jobs", body=b'{"idempotency_key":"k"}', key="k").message()

    assert request.job.idempotency_key == "k"


def test_a_key_is_ignored_by_a_call_that_may_be_repeated_anyway() -> None:
    assert Case(line="POST /api/v1/jobs/a:cancel", key="k").message() == job_service_pb2.CancelJobRequest(job_id="a")


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        (
            Case(line="POST /api/v1/jobs", body=b'{"idempotency_key":"k"}', key="other"),
            "idempotency_key: differs from the header Idempotency-Key",
        ),
        (
            Case(line="POST /api/v1/jobs:batchEnqueue", body=b"{}", key="k"),
            "Idempotency-Key: is not taken by this call; where it enqueues, each job has its own",
        ),
        (Case(line="POST /api/v1/jobs", key="\0"), "Idempotency-Key: has a NUL character"),
        (Case(line="GET /api/v1/jobs/a", body=b"{}"), "the body: is not taken by this call"),
        (Case(line="POST /api/v1/jobs/a:cancel", body=b'{"job_id":"b"}'), "job_id: differs from the path"),
        (Case(line="PATCH /api/v1/queues/a", body=b'{"name":"b"}'), "name: differs from the path"),
        (Case(line="GET /api/v1/jobs/a\0"), "job_id: has a NUL character"),
        (Case(line="POST /api/v1/jobs", body=b'{"job":{}}'), "job: is not a field here"),
        (
            Case(line="POST /api/v1/jobs", body=b'{"priority":"urgent"}'),
            "priority: must be one of low, normal, high, critical",
        ),
    ],
)
def test_what_makes_no_message_is_refused_with_its_path(case: Case, problem: str) -> None:
    assert case.problem() == problem
