from datetime import timedelta

import pytest

from gosynq.v1.worker_service_pb2 import JobResults, WorkRequest
from gosynq_client.remote.messages import fitting, hello_message, progress_message, result_message
from gosynq_client.remote.subscriptions import Profile, QueueSubscription, new_worker_id
from gosynq_client.worker.leases import Lease, ProgressReport, Result
from gosynq_client.worker.outcomes import AttemptError, Cancelled, Failed, Outcome, Released, Snoozed, Succeeded
from gosynq_server.rpc.validation import check
from tests.unit.worker.memory_source import a_lease, leases

JOB = "01890000-0000-7000-8000-000000000001"
LEASE = a_lease(job_id=JOB)
PROFILE = Profile(worker_id="w-1", queues=[QueueSubscription(queue="mail")], kinds=["send"])
ODD = "a\ud800b\x00" + "ü" * 40_000


def failed(*, details: bytes | None = None, retry_after: timedelta | None = None, text: str = "x") -> Failed:
    error = AttemptError(type=text, message=text, stack_trace=text, non_retryable=True, details=details)
    return Failed(error=error, retry_after=retry_after)


@pytest.mark.parametrize(
    "outcome",
    [
        Succeeded(),
        Succeeded(result=b"", content_type="text/plain"),
        Succeeded(result=b'{"a": 1}', content_type="application/json"),
        failed(),
        failed(text=ODD, retry_after=timedelta(seconds=-1)),
        failed(details=b'{"a": {"b": [1, null, "\\ud83d\\ude00"]}}', retry_after=timedelta(seconds=5)),
        failed(details=b'{"a": ' * 5000 + b"1" + b"}" * 5000),
        failed(details=b'{"a": ' * 60 + b"1" + b"}" * 60),
        failed(details=b'{"a": 123456789012345678901234567890}'),
        Snoozed(delay=timedelta(seconds=-1)),
        Snoozed(delay=timedelta(hours=1)),
        Released(),
        Cancelled(message=ODD),
    ],
    ids=lambda outcome: f"{type(outcome).__name__}",
)
def test_whatever_an_attempt_came_to_is_a_message_that_a_server_can_read(outcome: Outcome) -> None:
    message = result_message(Result(lease=LEASE, outcome=outcome))
    request = WorkRequest(results=JobResults(results=[message]))
    check(WorkRequest.FromString(request.SerializeToString()))
    assert (message.lease.job_id, message.lease.lease_token) == (JOB, "token")


def test_an_empty_result_is_not_the_same_as_none() -> None:
    empty = result_message(Result(lease=LEASE, outcome=Succeeded(result=b"", content_type="text/plain")))
    none = result_message(Result(lease=LEASE, outcome=Succeeded()))
    assert (empty.success.HasField("result_bytes"), none.success.HasField("result_bytes")) == (True, False)


def test_details_that_nest_too_deep_are_left_out_and_the_error_is_told(caplog: pytest.LogCaptureFixture) -> None:
    deep = failed(details=b'{"a": ' * 60 + b"1" + b"}" * 60, text="why")
    message = result_message(Result(lease=LEASE, outcome=deep))
    assert (message.failure.error.message, message.failure.error.HasField("details")) == ("why", False)
    assert [record.getMessage() for record in caplog.records] == [
        "details of an error left out, a message can't hold them"
    ]


def test_details_that_fit_are_kept() -> None:
    message = result_message(Result(lease=LEASE, outcome=failed(details=b'{"code": 7}')))
    assert message.failure.error.details["code"] == 7


def test_a_result_that_no_server_takes_is_refused_here() -> None:
    large = Succeeded(result=b"x" * 3_145_729, content_type="text/plain")
    with pytest.raises(ValueError, match="the result has 3145729 bytes; no server takes more than 3145728"):
        result_message(Result(lease=LEASE, outcome=large))


def test_results_are_grouped_by_count_and_by_bytes() -> None:
    small = [result_message(Result(lease=lease, outcome=Released())) for lease in leases(1001)]
    assert [len(group) for group in fitting(small)] == [500, 500, 1]
    large = Succeeded(result=b"x" * 700_000, content_type="text/plain")
    heavy = [result_message(Result(lease=lease, outcome=large)) for lease in leases(2)]
    assert [len(group) for group in fitting([heavy[0], small[0], heavy[1]])] == [2, 1]
    assert list(fitting([])) == []


def test_a_hello_names_no_more_leases_than_it_may() -> None:
    many: list[Lease] = leases(1001)
    hello = hello_message(PROFILE, held=many, max_in_flight=2000)
    assert (len(hello.held_leases), hello.max_in_flight) == (1000, 1000)


def test_progress_that_a_source_was_given_wrongly_is_told_within_bounds() -> None:
    message = progress_message(ProgressReport(lease=LEASE, current=-1, total=-5, message=ODD))
    assert (message.progress.current, message.progress.total, len(message.progress.message)) == (0, 0, 1024)
    check(message)


@pytest.mark.parametrize("host", ["web-1.example", "_odd host", "ünïcode", "", "x" * 300])
def test_a_worker_names_itself_as_the_contract_wants_it(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    names = {new_worker_id() for _ in range(10)}
    assert len(names) == 10
    for name in names:
        hello = hello_message(Profile(worker_id=name, queues=PROFILE.queues, kinds=()), held=(), max_in_flight=1)
        check(hello)


@pytest.mark.parametrize("wrong", [{"weight": 0}, {"max_in_flight": -1}])
def test_a_subscription_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        QueueSubscription(queue="mail", **wrong)
