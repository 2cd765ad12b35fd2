import math

import pytest
from google.protobuf import any_pb2, duration_pb2, field_mask_pb2, struct_pb2, timestamp_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from gosynq.v1 import job_pb2, job_service_pb2, queue_service_pb2
from gosynq_server.rest.json_out import write_any, write_message


def packed(message: Message) -> any_pb2.Any:
    detail = any_pb2.Any()
    detail.Pack(message)
    return detail


def test_a_job_is_written_with_short_enums_and_without_what_is_unset() -> None:
    job = job_pb2.Job(
        id="0190",
        queue="high",
        status=job_pb2.JOB_STATUS_PENDING,
        priority=job_pb2.JOB_PRIORITY_HIGH,
        labels={"tenant": "acme"},
        created_at=timestamp_pb2.Timestamp(seconds=1_769_846_400, nanos=250_000_000),
        lease_duration=duration_pb2.Duration(seconds=1, nanos=500_000_000),
        retry_policy=job_pb2.RetryPolicy(multiplier=2, jitter=0.2),
        revision=2**60,
    )
    job.payload.update({"task": "send_email", "n": 3, "half": 0.5, "list": [None, True, {"x": 1}]})

    assert write_message(job) == {
        "id": "0190",
        "queue": "high",
        "kind": "",
        "status": "pending",
        "priority": "high",
        "payload": {"task": "send_email", "n": 3, "half": 0.5, "list": [None, True, {"x": 1}]},
        "content_type": "",
        "max_retries": 0,
        "attempt": 0,
        "retry_policy": {"strategy": "unspecified", "multiplier": 2, "jitter": 0.2},
        "created_at": "2026-01-31T08:00:00.250Z",
        "idempotency_key": "",
        "labels": {"tenant": "acme"},
        "headers": {},
        "locked_by": "",
        "lease_duration": "1.500s",
        "schedule_id": "",
        "result_content_type": "",
        "max_deliveries": 0,
        "revision": 2**60,
        "concurrency_key": "",
        "ordering_key": "",
        "fairness_key": "",
    }


def test_keys_are_written_in_one_order() -> None:
    job = job_pb2.Job(labels=dict.fromkeys("dbac", ""))
    job.payload.update(dict.fromkeys("dbac"))

    tree = write_message(job)

    assert (list(tree["labels"]), list(tree["payload"])) == (list("abcd"), list("abcd"))


def test_whole_doubles_are_written_as_integers() -> None:
    job = job_pb2.Job()
    job.payload.update({"n": 3.0})

    assert type(write_message(job)["payload"]["n"]) is int


def test_bytes_and_field_masks_are_written_as_protobuf_json_has_them() -> None:
    mask = field_mask_pb2.FieldMask(paths=["limits.max_concurrency", "description"])

    assert write_message(job_pb2.JobSpec(payload_bytes=b"\xff\xef"))["payload_bytes"] == "/+8="
    assert write_message(queue_service_pb2.UpdateQueueRequest(update_mask=mask)) == {
        "update_mask": "limits.maxConcurrency,description",
        "allow_missing": False,
    }


def test_an_enum_value_of_a_newer_server_is_written_as_its_number() -> None:
    job = job_pb2.Job.FromString(b"\x20\x63")

    assert write_message(job)["status"] == 99


@pytest.mark.parametrize(
    ("number", "written"),
    [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (1e20, 1e20), (2.0**53, 2**53)],
)
def test_a_double_of_any_kind_can_be_written(number: float, written: object) -> None:
    policy = job_pb2.RetryPolicy(multiplier=number)

    assert write_message(policy)["multiplier"] == written


def test_a_value_without_a_kind_is_null() -> None:
    job = job_pb2.Job()
    job.payload.fields["x"].CopyFrom(struct_pb2.Value())

    assert write_message(job)["payload"] == {"x": None}


def test_a_packed_message_is_written_with_its_type() -> None:
    info = error_details_pb2.ErrorInfo(reason="JOB_NOT_FOUND", domain="gosynq", metadata={"job_id": "0190"})

    assert write_any(packed(info)) == {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "JOB_NOT_FOUND",
        "domain": "gosynq",
        "metadata": {"job_id": "0190"},
    }


def test_a_packed_message_of_an_unknown_type_keeps_its_bytes() -> None:
    detail = any_pb2.Any(type_url="type.googleapis.com/acme.Unknown", value=b"\x01")

    assert write_any(detail) == {"@type": "type.googleapis.com/acme.Unknown", "value": "AQ=="}


def test_a_packed_message_inside_another_is_written_alike() -> None:
    error = status_pb2.Status(code=5, message="gone", details=[packed(error_details_pb2.RequestInfo(request_id="r"))])
    result = job_service_pb2.StreamEnqueueResult(sequence=1, error=error)

    assert write_message(result)["error"]["details"] == [
        {"@type": "type.googleapis.com/google.rpc.RequestInfo", "request_id": "r", "serving_data": ""}
    ]
