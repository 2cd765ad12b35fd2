"""Clients that are not ours follow a job's run to its end: grpcurl, Node, and curl in both forms that REST has."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cli.commands import Served
from tests.e2e.programs import run

NODE = Path(__file__).parents[1] / "node"
RUN = ["created", "started", "succeeded"]
pytestmark = pytest.mark.timeout(60)
SSE = ("--header", "Accept: text/event-stream")


def test_grpcurl_follows_a_job_to_its_end(served: Served, queue: str) -> None:
    job = {"queue": queue, "kind": "word_count", "payload": {"text": "to be"}}
    [enqueued] = grpcurl(served, "JobService/EnqueueJob", {"job": job})
    request = {"job_ids": [enqueued["jobId"]], "cursor": enqueued["cursor"], "stop_when_terminal": True}

    responses = grpcurl(served, "EventService/WatchEvents", request | {"include_payload": True})

    events = [event for response in responses for event in response.get("events", [])]
    assert [event["type"] for event in events] == [f"EVENT_TYPE_{name.upper()}" for name in RUN]
    assert events[-1]["payload"] == {"words": 2}


def test_a_node_client_follows_a_job_to_its_end(served: Served) -> None:
    if not (NODE / "node_modules").exists():
        assert os.environ.get("CI") != "true", "make tools installs what it needs"
        pytest.skip("its packages are not installed")

    events = [json.loads(line) for line in run("node", str(NODE / "follow.js"), served.addresses["grpc"]).splitlines()]

    assert [event["type"] for event in events] == [f"EVENT_TYPE_{name.upper()}" for name in RUN]
    assert [event["revision"] for event in events] == ["1", "2", "3"]
    assert events[-1]["payload"] == {"fields": {"words": {"numberValue": 6}}}


def test_curl_follows_a_job_to_its_end_by_lines_of_json(served: Served, queue: str) -> None:
    lines = curl(served, watch_of(enqueue(served, queue))).splitlines()

    results = [json.loads(line)["result"] for line in lines]
    assert [event["type"] for result in results for event in result["events"]] == RUN


def test_curl_follows_a_job_to_its_end_by_server_sent_events(served: Served, queue: str) -> None:
    events = server_sent(curl(served, watch_of(enqueue(served, queue)), *SSE))

    assert [event["event"] for event in events] == ["bookmark", *RUN, "end"]
    assert (events[-1]["id"], events[-1]["data"]) == ("end", "{}")


def test_a_last_event_id_goes_on_right_after_the_event_that_it_stood_at(served: Served, queue: str) -> None:
    watch = watch_of(enqueue(served, queue))
    _, created, *_ = server_sent(curl(served, watch, *SSE))

    events = server_sent(curl(served, watch, *SSE, "--header", f"Last-Event-ID: {created['id']}"))

    assert [event["event"] for event in events] == ["bookmark", "started", "succeeded", "end"]


def test_a_stream_that_came_to_its_end_is_not_begun_anew(served: Served, queue: str) -> None:
    watch = watch_of(enqueue(served, queue))

    assert curl(served, watch, *SSE, "--header", "Last-Event-ID: end", "--write-out", "%{http_code}") == "204"


def grpcurl(served: Served, method: str, request: Any) -> list[Any]:
    """Call a method and give its responses, which are printed one after the other."""
    arguments = ("-plaintext", "-d", json.dumps(request), served.addresses["grpc"], f"gosynq.v1.{method}")
    return list(documents(run("grpcurl", *arguments)))


def documents(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:]


def enqueue(served: Served, queue: str) -> Any:
    job = {"queue": queue, "kind": "word_count", "payload": {"text": "to be"}}
    return json.loads(curl(served, "jobs", "--json", json.dumps(job)))


def watch_of(enqueued: Any) -> str:
    query = f"job_ids={enqueued['job_id']}&cursor={enqueued['cursor']}&stop_when_terminal=true&max_batch_size=1"
    return f"events:watch?{query}"


def curl(served: Served, path: str, *options: str) -> str:
    url = f"{served.addresses['http']}/api/v1/{path}"
    return run("curl", "--silent", "--show-error", "--no-buffer", "--fail-with-body", *options, url)


def server_sent(text: str) -> list[dict[str, str]]:
    """Read events as a browser does."""
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.split("\n\n") if block]
    return [block for block in blocks if "event" in block]
