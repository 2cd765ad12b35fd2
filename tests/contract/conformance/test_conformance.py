"""The kit, on workers that are right, and on workers with a flaw each."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest

from gosynq_server.conformance import CASES, Examination, Report, Timing, Verdict, examine
from gosynq_server.conformance.process import WorkerNotStarted

EXAMPLE = (sys.executable, "-m", "gosynq_client.examples.conformance_worker")
SMALL = (sys.executable, str(Path(__file__).with_name("flawed_worker.py")))
BY_NAME = {case.name: case for case in CASES}

FLAWS = [
    ("hello", "no-hello", "flow_control came as the first message"),
    ("hello", "eager", "it did not wait for the welcome"),
    ("hello", "other-queue", "does not name the queue conformance"),
    ("hello", "cannot-snooze", "leaves out kinds: snooze"),
    ("hello", "boasts", "hello.max_in_flight: "),
    ("unknown", "fears-the-unknown", "the worker ended with status 1: what is this?"),
    ("echo", "wraps", 'came back as {"echo"'),
    ("echo", "goes-by-token", ""),
    ("echo", "untyped", "result_content_type goes with result_bytes"),
    ("fail", "gives-up", "the failure is non_retryable"),
    ("fail", "mumbles", "the failure's message is 'oh no'"),
    ("non-retryable", "never-gives-up", "the failure is not non_retryable"),
    ("snooze", "overslept", "snooze came back as success, not as snooze"),
    ("snooze", "naps", "snoozed for 1 s, not for 7 s"),
    ("credits", "gives-back", "sleep came back as release, not as success"),
    ("credits", "counts-up", "max_in_flight is 1"),
    ("heartbeats", "never-beats", "no heartbeat for"),
    ("heartbeats", "beats-late", "no heartbeat for"),
    ("heartbeats", "names-one", "a heartbeat left out 2 of 3 open leases"),
    ("unacknowledged", "forgets-results", "no heartbeat for"),
    ("long-job", "never-beats", "the lease of 1.5 s ran out"),
    ("long-job", "skips", "was done after 0."),
    ("late-leases", "heedless", "was begun: echo came back as success"),
    ("late-leases", "squeamish", "a lease that came late, and holds, was not begun"),
    ("cancel", "ignores-cancel", "no result of sleep came"),
    ("cancel", "fails-when-cancelled", "sleep came back as failure (cancelled), not as cancelled"),
    ("cancel-by-heartbeat", "ignores-cancel", "no result of sleep came"),
    ("lease-lost", "ignores-lost", "a lost lease was extended on and on"),
    ("void-notice", "ignores-lost", "a lost lease was extended on and on"),
    ("already-applied", "waits-for-applied", "the lease was extended although its result had been answered"),
    ("refused", "insists", "a result was sent twice on one stream"),
    ("resend", "forgets-results", "held_leases left out 1 of 1 open leases"),
    ("resend", "renames-itself", "worker_id became flawed-"),
    ("held-leases", "forgets-held", "held_leases left out 2 of 2 open leases"),
    ("held-lost", "ignores-lost", "a lost lease was extended on and on"),
    ("go-away", "stays", "no new stream said hello"),
    ("back-off", "hurries", "streams in 3 s"),
    ("back-off-welcomed", "hurries", "streams in 3 s"),
    ("drain", "deaf", "no FlowControl with 0 came before the end"),
    ("drain", "takes-on", "no FlowControl with 0 came before the job's end"),
    ("drain", "leaves-at-once", "the stream ended before the job that ran"),
    ("drain", "hangs-up", "the worker did not close its side"),
    ("drain", "grumbles", "the process ended with status 3"),
    ("go-away-stop", "ignores-stop", "no FlowControl with 0 came before the job's end"),
]

pytestmark = pytest.mark.timeout(60)


async def play(name: str, folder: Path, *command: str, timing: Timing) -> Report:
    examination = Examination(command=command, queue="conformance", timing=timing, log=folder / "worker.log")
    [report] = [report async for report in examine(examination, [BY_NAME[name]])]
    return report


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("command", [EXAMPLE, SMALL], ids=["example", "small"])
async def test_a_worker_that_is_right_passes(name: str, command: tuple[str, ...], tmp_path: Path) -> None:
    report = await play(name, tmp_path, *command, timing=Timing())
    assert report.verdict is Verdict.PASSED, report.seen


@pytest.mark.parametrize(("name", "flaw", "seen"), FLAWS, ids=[f"{name}-{flaw}" for name, flaw, _ in FLAWS])
async def test_a_flaw_fails_the_case_that_is_there_for_it(name: str, flaw: str, seen: str, tmp_path: Path) -> None:
    timing = Timing(lease=timedelta(seconds=1.5), patience=timedelta(seconds=2))
    report = await play(name, tmp_path, *SMALL, flaw, timing=timing)
    assert report.verdict is Verdict.FAILED
    assert seen in report.seen


def test_every_case_is_failed_by_some_flaw() -> None:
    assert {name for name, _, _ in FLAWS} == set(BY_NAME)


async def test_a_kind_that_the_worker_does_not_take_skips_the_case(tmp_path: Path) -> None:
    report = await play("snooze", tmp_path, *SMALL, "cannot-snooze", timing=Timing())
    assert (report.verdict, report.seen) == (Verdict.SKIPPED, "the worker does not take jobs of kind snooze")


async def test_without_a_worker_the_rest_is_skipped(tmp_path: Path) -> None:
    timing = Timing(start=timedelta(seconds=0.2))
    command = (sys.executable, "-c", "import signal; signal.pause()")
    examination = Examination(command=command, queue="conformance", timing=timing, log=tmp_path / "worker.log")
    reports = [report async for report in examine(examination, CASES[:3])]
    assert [(report.verdict, report.seen) for report in reports] == [
        (Verdict.FAILED, "no worker said hello within 0.2 s"),
        (Verdict.SKIPPED, "no worker said hello in the case before"),
        (Verdict.SKIPPED, "no worker said hello in the case before"),
    ]


async def test_a_worker_that_ends_at_once_is_told_of_with_its_last_words(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('no such thing')")
    report = await play("hello", tmp_path, *command, timing=Timing())
    assert report.seen == "the worker ended with status 1: no such thing"


async def test_a_command_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WorkerNotStarted, match="no-such-program"):
        await play("hello", tmp_path, "/no-such-program", timing=Timing())
