import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gosynq_client.worker.answers import Discard, JobFailure, Snooze
from gosynq_client.worker.job import Job
from gosynq_client.worker.leases import Lease, ProgressReport
from gosynq_server.demo.files import read_sample, sample_files
from gosynq_server.demo.handlers import handlers

NOW = datetime(2030, 1, 1, tzinfo=UTC)
FILE = "gosynq_server/__main__.py"


async def run(kind: str, payload: object, *, attempt: int = 1, reports: list[ProgressReport] | None = None) -> Any:
    lease = Lease(
        job_id="j1",
        queue="default",
        kind=kind,
        priority=2,
        lease_seq=attempt,
        lease_token="",
        attempt=attempt,
        payload=json.dumps(payload).encode(),
        content_type="application/json",
        labels={},
        headers={},
        max_retries=4,
        created_at=NOW,
        run_at=NOW,
        leased_at=NOW,
        lease_duration=timedelta(seconds=30),
        attempt_timeout=None,
    )
    handler = handlers.get(kind)
    assert handler is not None
    answer = handler.function(Job(lease, ([] if reports is None else reports).append))
    return answer if handler.in_thread else await answer  # type: ignore[misc]  # it is a coroutine


async def test_a_checksum_is_that_of_the_file() -> None:
    data = read_sample(FILE)
    assert await run("file_checksum", {"path": FILE}) == {
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
    }


async def test_words_are_counted() -> None:
    counted = await run("word_count", {"path": FILE})
    assert counted["lines"] == read_sample(FILE).count(b"\n")
    assert counted["words"] > 20
    assert len(counted["most_common"]) == 3


async def test_an_archive_is_smaller_than_what_is_in_it() -> None:
    made = await run("archive", {"paths": list(sample_files()[:5])})
    assert made["files"] == 5
    assert 0 < made["zipped"] < made["bytes"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../pyproject.toml", "gosynq_server/../pyproject.toml", "", None])
async def test_no_other_file_is_read(path: object) -> None:
    with pytest.raises(JobFailure) as refused:
        await run("file_checksum", {"path": path})
    assert refused.value.non_retryable


@pytest.mark.parametrize(("kind", "payload"), [("word_count", [1]), ("archive", {"paths": FILE})])
async def test_a_payload_of_another_shape_fails_for_good(kind: str, payload: object) -> None:
    with pytest.raises(JobFailure) as refused:
        await run(kind, payload)
    assert refused.value.non_retryable


@pytest.mark.parametrize(
    ("kind", "payload", "error"),
    [
        ("email_notification", {"to": "a@example.org", "subject": "s"}, ConnectionError),
        ("data_processing", {"paths": [FILE]}, ValueError),
        ("api_sync", {"items": 250}, JobFailure),
    ],
)
async def test_a_job_fails_as_often_as_its_payload_says(
    kind: str, payload: dict[str, Any], error: type[Exception]
) -> None:
    payload |= {"fails": 2}
    for attempt in (1, 2):
        with pytest.raises(error):
            await run(kind, payload, attempt=attempt)
    assert await run(kind, payload, attempt=3)


async def test_a_mail_with_a_forged_header_is_not_written() -> None:
    with pytest.raises(ValueError, match="linefeed"):
        await run("email_notification", {"to": "a@example.org", "subject": "s\nBcc: b@example.org"})


async def test_data_processing_tells_its_progress() -> None:
    reports: list[ProgressReport] = []
    done = await run("data_processing", {"paths": [FILE, *sample_files()[:1]]}, reports=reports)
    assert [(report.current, report.total) for report in reports] == [(1, 2), (2, 2)]
    assert done["files"][FILE]["lines"] == len(read_sample(FILE).splitlines())


async def test_a_report_is_put_off_until_its_data_is_ready() -> None:
    ready_at = datetime.now(UTC) + timedelta(minutes=5)
    answer = await run("report_generation", {"paths": [FILE], "data_ready_at": ready_at.isoformat()})
    assert isinstance(answer, Snooze)
    assert timedelta(minutes=4) < answer.delay <= timedelta(minutes=5)


async def test_a_report_on_data_that_is_ready_is_written() -> None:
    size = len(read_sample(FILE))
    answer = await run("report_generation", {"paths": [FILE], "data_ready_at": NOW.replace(year=2020).isoformat()})
    assert answer["report"].splitlines()[2:] == [f"| {FILE} | {size} |", f"| all | {size} |"]


async def test_a_picture_becomes_a_thumbnail() -> None:
    assert (await run("image_resizing", {"side": 32}))["side"] == 8


@pytest.mark.parametrize("side", [0, 257, "32", None])
async def test_a_picture_that_cannot_be_is_given_up(side: object) -> None:
    assert isinstance(await run("image_resizing", {"side": side}), Discard)


async def test_a_sync_turns_every_page() -> None:
    assert await run("api_sync", {"items": 250}) == {"pages": 3}


async def test_a_backup_holds_every_file() -> None:
    assert (await run("backup_task", {"paths": list(sample_files()[:3])}))["files"] == 3


async def test_a_backup_on_a_full_disk_fails() -> None:
    with pytest.raises(OSError, match="no space left"):
        await run("backup_task", {"paths": [FILE], "disk_full": True})


async def test_a_cleanup_frees_what_it_made() -> None:
    assert await run("cleanup_task", {"files": 3}) == {"files": 3, "bytes": 3 * len('{"files": 3}')}
