"""A worker that speaks REST, over the real server and a real database."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from gosynq_server.rest.channel import open_channel
from gosynq_server.rest.gateway import build_app
from gosynq_server.rpc.server import RpcOptions, build_server
from tests.rpc.real import services_of
from tests.service.house import House, open_house

WISH = {"worker_id": "w-1", "queues": [{"queue": "q"}]}


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_house(database_url) as house:
        yield house


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    server = build_server(services_of(house), RpcOptions())
    port = server.bind("127.0.0.1:0")
    await server.start()
    async with open_channel(f"127.0.0.1:{port}") as channel:
        transport = httpx.ASGITransport(app=build_app(channel), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
            yield client
    await server.stop(timedelta())


async def _leased(house: House, client: httpx.AsyncClient, **wish: Any) -> Any:
    await house.add(payload=b'{"n":1}', content_type="application/json")
    response = await client.post("/api/v1/jobs:lease", json=WISH | wish)
    assert response.status_code == 200
    [lease] = response.json()["leases"]
    return lease


async def test_a_lease_has_the_job_and_its_token(house: House, client: httpx.AsyncClient) -> None:
    lease = await _leased(house, client, lease_duration="77s")

    assert (lease["lease_token"], lease["lease_sequence"], lease["valid_for"]) == ("1.q", 1, "77s")
    assert (lease["job"]["queue"], lease["job"]["status"], lease["job"]["locked_by"]) == ("q", "processing", "w-1")
    assert base64.b64decode(lease["job"]["payload_bytes"]) == b'{"n":1}'


async def test_no_job_in_time_is_an_empty_list(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/jobs:lease", json=WISH | {"wait": "0.1s", "max_jobs": 9})

    assert (response.status_code, response.json()) == (200, {"leases": []})


@pytest.mark.parametrize(
    ("verb", "said", "status"),
    [
        ("complete", {"result": {"sent": True}}, "completed"),
        ("complete", {}, "completed"),
        ("fail", {"error": {"type": "Boom", "message": "no luck"}}, "pending"),
        ("fail", {"error": {"type": "Boom", "non_retryable": True}}, "failed"),
        ("snooze", {"delay": "60s"}, "pending"),
        ("release", {}, "pending"),
        ("acknowledgeCancel", {"message": "enough"}, "failed"),
    ],
)
async def test_a_lease_is_ended_by_a_verb_and_a_repeat_is_answered_alike(
    house: House, client: httpx.AsyncClient, verb: str, said: dict[str, Any], status: str
) -> None:
    lease = await _leased(house, client)
    url = f"/api/v1/jobs/{lease['job']['id']}:{verb}"

    answers = [await client.post(url, json={"lease_token": lease["lease_token"]} | said) for _ in range(2)]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"job_status": status})] * 2


async def test_a_result_is_kept(house: House, client: httpx.AsyncClient) -> None:
    lease = await _leased(house, client)
    url = f"/api/v1/jobs/{lease['job']['id']}"

    await client.post(f"{url}:complete", json={"lease_token": lease["lease_token"], "result": {"sent": 1}})

    assert (await house.job(lease["job"]["id"])).result == b'{"sent":1}'


async def test_a_lost_lease_is_a_conflict_that_says_the_jobs_status(house: House, client: httpx.AsyncClient) -> None:
    lease = await _leased(house, client)
    await house.jobs.cancel(lease["job"]["id"], reason="", force=True)

    response = await client.post(
        f"/api/v1/jobs/{lease['job']['id']}:complete", json={"lease_token": lease["lease_token"]}
    )

    assert response.json()["status"] == "FAILED_PRECONDITION"
    [info] = response.json()["details"]
    assert (info["reason"], info["metadata"]["status"]) == ("LEASE_LOST", "cancelled")


async def test_leases_are_extended_and_given_back(house: House, client: httpx.AsyncClient) -> None:
    lease = await _leased(house, client)
    ref = {"job_id": lease["job"]["id"], "lease_token": lease["lease_token"]}

    extended = await client.post("/api/v1/jobs:extendLeases", json={"leases": [ref], "extend_by": "90s"})
    given_back = await client.post("/api/v1/jobs:extendLeases", json={"leases": [ref], "extend_by": "0s"})

    [held], [lost] = extended.json()["leases"], given_back.json()["leases"]
    assert (held["state"], held["valid_for"]) == ("active", "90s")
    assert lost["state"] == "lost"
    assert await house.stage(lease["job"]["id"]) == "ready"


async def test_progress_tells_of_a_cancel(house: House, client: httpx.AsyncClient) -> None:
    lease = await _leased(house, client)
    await house.jobs.cancel(lease["job"]["id"], reason="", force=False)

    response = await client.post(
        f"/api/v1/jobs/{lease['job']['id']}:reportProgress",
        json={"lease_token": lease["lease_token"], "progress": {"current": 1, "total": 2}},
    )

    assert (response.status_code, response.json()) == (200, {"cancel_requested": True})


async def test_a_bad_token_is_refused_by_its_field(house: House, client: httpx.AsyncClient) -> None:
    lease = await _leased(house, client)

    response = await client.post(f"/api/v1/jobs/{lease['job']['id']}:release", json={"lease_token": "q"})

    assert response.status_code == 400
    assert response.json()["error"].startswith("lease_token: ")
