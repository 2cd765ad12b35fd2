from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gosynq.v1 import (
    event_service_pb2,
    job_pb2,
    job_service_pb2,
    queue_service_pb2,
)
from gosynq_server.rest.json_in import read_message
from gosynq_server.rest.json_text import parse_json
from gosynq_server.rest.refusals import FieldInvalid


def spec_of(text: str) -> job_pb2.JobSpec:
    spec = job_pb2.JobSpec()
    read_message(spec, parse_json(text.encode()))
    return spec


def refusal(message: Any, text: str) -> FieldInvalid:
    with pytest.raises(FieldInvalid) as refused:
        read_message(message, parse_json(text.encode()))
    return refused.value


def test_names_come_in_snake_case_and_in_lower_camel_case() -> None:
    expected = job_pb2.JobSpec(max_retries=3, idempotency_key="k")

    assert spec_of('{"max_retries":3,"idempotency_key":"k"}') == expected
    assert spec_of('{"maxRetries":3,"idempotencyKey":"k"}') == expected


@pytest.mark.parametrize("value", ['"high"', '"JOB_PRIORITY_HIGH"', "3"])
def test_an_enum_comes_by_its_short_name_its_full_name_or_its_number(value: str) -> None:
    assert spec_of(f'{{"priority":{value}}}').priority == job_pb2.JOB_PRIORITY_HIGH


@pytest.mark.parametrize("value", ['"HIGH"', '"urgent"', '""', "9", "-1", "true", "3.0", "[]", "{}"])
def test_another_enum_value_is_refused_with_those_there_are(value: str) -> None:
    refused = refusal(job_pb2.JobSpec(), f'{{"priority":{value}}}')

    assert str(refused) == "priority: must be one of low, normal, high, critical"


@pytest.mark.parametrize("value", ["7", '"7"', "7.0", "0.7e1"])
def test_an_integer_comes_as_a_number_or_as_its_text(value: str) -> None:
    assert spec_of(f'{{"max_retries":{value}}}').max_retries == 7


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("true", "must be an integer"),
        ("1.5", "must be an integer"),
        ('"1.0"', "must be an integer"),
        ('"1_0"', "must be an integer"),
        ('"٣"', "must be an integer"),
        ("[]", "must be an integer"),
        ("2147483648", "must lie between -2147483648 and 2147483647"),
        ("-2147483649", "must lie between -2147483648 and 2147483647"),
        ("1" * 65, "is a number of more than 64 characters"),
        ("NaN", "is NaN, which JSON does not have"),
    ],
)
def test_another_integer_is_refused(value: str, problem: str) -> None:
    assert str(refusal(job_pb2.JobSpec(), f'{{"max_retries":{value}}}')) == f"max_retries: {problem}"


def test_an_int64_has_all_its_bits() -> None:
    progress = job_pb2.JobProgress()
    read_message(progress, {"current": "9223372036854775807", "total": -(2**63)})

    assert (progress.current, progress.total) == (2**63 - 1, -(2**63))


@pytest.mark.parametrize(("value", "number"), [("2", 2.0), ("2.5", 2.5), ('"2.5"', 2.5), ("-1e2", -100.0)])
def test_a_double_comes_as_a_number_or_as_its_text(value: str, number: float) -> None:
    assert spec_of(f'{{"retry_policy":{{"multiplier":{value}}}}}').retry_policy.multiplier == number


@pytest.mark.parametrize("value", ["true", '"NaN"', '"Infinity"', '"x"', "[]"])
def test_another_double_is_refused(value: str) -> None:
    refused = refusal(job_pb2.JobSpec(), f'{{"retry_policy":{{"multiplier":{value}}}}}')

    assert str(refused) == "retry_policy.multiplier: must be a number"


@pytest.mark.parametrize("value", ["1", '"true"', "[]"])
def test_nothing_but_true_and_false_is_a_boolean(value: str) -> None:
    refused = refusal(job_service_pb2.CancelJobRequest(), f'{{"force":{value}}}')

    assert str(refused) == "force: must be true or false"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31t08:00:00z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T08:00:00.25+02:00", datetime(2026, 1, 31, 6, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-01-31T08:00:00-23:59", datetime(2026, 2, 1, 7, 59, tzinfo=UTC)),
    ],
)
def test_a_moment_is_rfc_3339_with_a_zone(text: str, moment: datetime) -> None:
    assert spec_of(f'{{"run_at":"{text}"}}').run_at.ToDatetime(tzinfo=UTC) == moment


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ('"2026-01-31T08:00:00"', "needs a time zone, such as Z or +02:00"),
        ('"2026-01-31"', "must be a moment in RFC 3339, such as 2026-01-31T08:00:00Z"),
        ('"2026-01-31 08:00:00Z"', "must be a moment in RFC 3339, such as 2026-01-31T08:00:00Z"),
        ('"2026-01-31T08:00:00+24:00"', "must be a moment in RFC 3339, such as 2026-01-31T08:00:00Z"),
        ('"2026-01-31T08:00:00.0000000001Z"', "must be a moment in RFC 3339, such as 2026-01-31T08:00:00Z"),
        ('"2026-02-30T08:00:00Z"', "is not a moment of the years 1 to 9999"),
        ('"2026-01-31T25:00:00Z"', "is not a moment of the years 1 to 9999"),
        ('"0000-01-31T08:00:00Z"', "is not a moment of the years 1 to 9999"),
        ('"9999-12-31T23:59:59-01:00"', "is not a moment of the years 1 to 9999"),
        ("1769846400", "must be a string"),
    ],
)
def test_another_moment_is_refused(value: str, problem: str) -> None:
    assert str(refusal(job_pb2.JobSpec(), f'{{"run_at":{value}}}')) == f"run_at: {problem}"


@pytest.mark.parametrize(
    ("text", "length"),
    [("90s", timedelta(seconds=90)), ("1.5s", timedelta(seconds=1.5)), ("-0.25s", timedelta(seconds=-0.25))],
)
def test_a_length_of_time_is_seconds_with_an_s(text: str, length: timedelta) -> None:
    assert spec_of(f'{{"delay":"{text}"}}').delay.ToTimedelta() == length


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ('"1m"', "must be a number of seconds with an s, such as 90s or 1.5s"),
        ('"90"', "must be a number of seconds with an s, such as 90s or 1.5s"),
        ('"1_0s"', "must be a number of seconds with an s, such as 90s or 1.5s"),
        ('".5s"', "must be a number of seconds with an s, such as 90s or 1.5s"),
        ('"999999999999s"', "is longer than 10000 years"),
        ("90", "must be a string"),
    ],
)
def test_another_length_of_time_is_refused(value: str, problem: str) -> None:
    assert str(refusal(job_pb2.JobSpec(), f'{{"delay":{value}}}')) == f"delay: {problem}"


@pytest.mark.parametrize("text", ["/+8=", "_-8=", "_-8", "/+8"])
def test_bytes_come_in_either_base64_alphabet(text: str) -> None:
    assert spec_of(f'{{"payload_bytes":"{text}"}}').payload_bytes == b"\xff\xef"


@pytest.mark.parametrize(
    ("value", "problem"), [('"a"', "must be base64"), ('"é"', "must be base64"), ("5", "must be a string")]
)
def test_other_bytes_are_refused(value: str, problem: str) -> None:
    assert str(refusal(job_pb2.JobSpec(), f'{{"payload_bytes":{value}}}')) == f"payload_bytes: {problem}"


@pytest.mark.parametrize("text", ["limits.maxConcurrency,description", "limits.max_concurrency,description"])
def test_a_field_mask_comes_in_either_case(text: str) -> None:
    request = queue_service_pb2.UpdateQueueRequest()
    read_message(request, {"update_mask": text})

    assert request.update_mask.paths == ["limits.max_concurrency", "description"]


def test_an_empty_field_mask_names_nothing() -> None:
    request = queue_service_pb2.UpdateQueueRequest()
    read_message(request, {"update_mask": ""})

    assert (request.HasField("update_mask"), list(request.update_mask.paths)) == (True, [])


@pytest.mark.parametrize("value", ['"a b"', '",a"', '"1"'])
def test_another_field_mask_is_refused(value: str) -> None:
    refused = refusal(queue_service_pb2.UpdateQueueRequest(), f'{{"update_mask":{value}}}')

    assert str(refused) == "update_mask: must be field paths joined by commas, such as limits.maxConcurrency"


def test_a_payload_is_any_object() -> None:
    spec = spec_of('{"payload":{"n":null,"b":true,"i":9007199254740992,"r":0.5,"s":"é","l":[1,[],{}],"o":{"x":{}}}}')

    expected = job_pb2.JobSpec()
    expected.payload.update({"n": None, "b": True, "i": 2**53, "r": 0.5, "s": "é", "l": [1, [], {}], "o": {"x": {}}})
    assert spec == expected


def test_an_empty_payload_is_a_payload() -> None:
    assert spec_of('{"payload":{}}').HasField("payload")


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 10**40])
def test_an_integer_that_a_double_cannot_hold_is_refused_by_name(number: int) -> None:
    refused = refusal(job_pb2.JobSpec(), f'{{"payload":{{"a":[0,{{"id":{number}}}]}}}}')

    assert (refused.path, refused.reason) == ("payload.a[1].id", "NUMBER_PRECISION")
    assert "beyond 2^53" in str(refused)


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ("[]", "payload: must be an object"),
        ('{"a":[NaN]}', "payload.a[0]: is NaN, which JSON does not have"),
        ('{"a":"x\\u0000"}', "payload.a: has a NUL character"),
        ('{"a":"\\ud800"}', "payload.a: has half of a surrogate pair"),
        ('{"a":{"b":1,"b":2}}', "payload.a.b: is given twice"),
        ('{"b":1,"b":2}', "payload.b: is given twice"),
        ('{"\\ud800":1}', "payload.?: has half of a surrogate pair"),
    ],
)
def test_what_no_payload_holds_is_refused_with_its_path(payload: str, problem: str) -> None:
    assert str(refusal(job_pb2.JobSpec(), f'{{"payload":{payload}}}')) == problem


@pytest.mark.parametrize(("opening", "closing"), [('{"a":', "}"), ("[", "]")])
def test_a_payload_may_reach_32_levels_with_its_body(opening: str, closing: str) -> None:
    def body(levels: int) -> str:
        return '{"payload":{"a":' + opening * (levels - 2) + "1" + closing * (levels - 2) + "}}"

    spec_of(body(32))
    refused = refusal(job_pb2.JobSpec(), body(33))
    assert str(refused).endswith(": is nested deeper than 32")
    assert refused.path.startswith("payload.a")


def test_a_path_is_cut_however_deep_or_long_its_keys_are() -> None:
    refused = refusal(job_pb2.JobSpec(), f'{{"{"x" * 5000}":1}}')

    assert refused.path == "x" * 256


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('{"max_retires":3}', "max_retires: is not a field here"),
        ('{"retry_policy":{"jiter":0}}', "retry_policy.jiter: is not a field here"),
        ('{"queue":"a","queue":"b"}', "queue: is given twice"),
        ('{"max_retries":1,"maxRetries":1}', "max_retries: is given twice"),
        ('{"payload":{},"payload_bytes":""}', "payload_bytes: can't be joined with payload"),
        ('{"delay":"1s","runAt":"2026-01-31T08:00:00Z"}', "run_at: can't be joined with delay"),
        ('{"queue":5}', "queue: must be a string"),
        ('{"queue":"a\\u0000"}', "queue: has a NUL character"),
        ('{"retry_policy":[]}', "retry_policy: must be an object"),
        ('{"labels":[]}', "labels: must be an object"),
        ('{"labels":{"x":5}}', "labels['x']: must be a string"),
        ('{"labels":{"x":null}}', "labels['x']: must be a string"),
        ('{"labels":{"x":"1","x":"2"}}', "labels.x: is given twice"),
        ("[]", "the body: must be an object"),
        ("null", "the body: must be an object"),
        ("5", "the body: must be an object"),
    ],
)
def test_what_is_no_job_is_refused_with_its_path(body: str, problem: str) -> None:
    assert str(refusal(job_pb2.JobSpec(), body)) == problem


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('{"jobs":[{},{"priority":"x"}]}', "jobs[1].priority: must be one of low, normal, high, critical"),
        ('{"jobs":[{},{"labels":{"x":1}}]}', "jobs[1].labels['x']: must be a string"),
        ('{"jobs":{}}', "jobs: must be a list"),
        ('{"jobs":[null]}', "jobs[0]: must be an object"),
        ('{"jobs":[5]}', "jobs[0]: must be an object"),
    ],
)
def test_a_batch_names_the_job_that_is_wrong(body: str, problem: str) -> None:
    assert str(refusal(job_service_pb2.BatchEnqueueJobsRequest(), body)) == problem


def test_lists_of_scalars_keep_their_order_and_name_what_is_wrong() -> None:
    request = job_service_pb2.ListJobsRequest()
    read_message(request, {"status": ["failed", 1], "queue": ["b", "a"]})
    assert (list(request.status), list(request.queue)) == ([4, 1], ["b", "a"])

    refused = refusal(event_service_pb2.ListEventsRequest(), '{"queues":["a",5]}')
    assert str(refused) == "queues[1]: must be a string"


def test_null_is_unset() -> None:
    assert spec_of('{"queue":"a","max_retries":null,"payload":null,"labels":null,"priority":null}') == job_pb2.JobSpec(
        queue="a"
    )


def test_an_optional_zero_is_set() -> None:
    assert spec_of('{"max_retries":0}').HasField("max_retries")


def test_an_empty_object_sets_a_message() -> None:
    assert spec_of('{"retry_policy":{},"delay":"0s"}').HasField("retry_policy")
    assert spec_of('{"delay":"0s"}').HasField("delay")
