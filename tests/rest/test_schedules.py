"""Schedules over REST: each route, over the real server and a real database."""

from __future__ import annotations

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

NIGHTLY = {"id": "nightly", "cron": "30 2 * * *", "time_zone": "Europe/Berlin", "job": {"queue": "q", "kind": "k"}}


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
        async with httpx.AsyncClient(transport=transport, base_url="http://edge/api/v1") as client:
            yield client
    await server.stop(timedelta())


async def _created(client: httpx.AsyncClient) -> Any:
    response = await client.post("/schedules", json=NIGHTLY)
    assert response.is_success, response.text
    return response.json()


async def test_a_schedule_is_created_read_listed_and_deleted(client: httpx.AsyncClient) -> None:
    created = await _created(client)
    assert NIGHTLY.items() <= (created | {"job": NIGHTLY["job"]}).items()
    assert (created["overlap_policy"], created["catch_up_policy"]) == ("allow", "one")
    assert (await client.get("/schedules/nightly")).json() == created
    assert (await client.get("/schedules", params={"page_size": 1})).json()["schedules"] == [created]
    assert (await client.post("/schedules", json=NIGHTLY)).status_code == 409
    assert (await client.delete("/schedules/nightly", params={"etag": "1-1"})).status_code == 409
    assert (await client.delete("/schedules/nightly", params={"etag": created["etag"]})).is_success
    assert (await client.get("/schedules/nightly")).status_code == 404


async def test_a_patch_changes_what_it_names(client: httpx.AsyncClient) -> None:
    await _created(client)
    patched = await client.patch("/schedules/nightly", json={"description": "at night"})
    assert (patched.json()["description"], patched.json()["cron"]) == ("at night", "30 2 * * *")
    cleared = await client.patch("/schedules/nightly?update_mask=description,job.kind", json={"job": {"kind": "new"}})
    assert (cleared.json()["description"], cleared.json()["job"]["kind"]) == ("", "new")
    wrong = await client.patch("/schedules/nightly?update_mask=nonsense", json={})
    assert wrong.status_code == 400


async def test_the_verbs(client: httpx.AsyncClient, house: House) -> None:
    await _created(client)
    paused = (await client.post("/schedules/nightly:pause")).json()["schedule"]
    assert (paused["paused"], paused.get("next_run_at")) == (True, None)
    job_id = (await client.post("/schedules/nightly:trigger", json={})).json()["job_id"]
    assert (await house.job(job_id)).schedule_id == "nightly"
    resumed = (await client.post("/schedules/nightly:resume", json={})).json()["schedule"]
    assert resumed["next_run_at"]


async def test_a_preview(client: httpx.AsyncClient) -> None:
    asked = {"schedule": {"cron": "0 12 1 1 *", "start_at": "2100-01-01T00:00:00Z"}, "count": 2}
    answer = await client.post("/schedules:preview", json=asked)
    assert answer.json()["run_times"] == ["2100-01-01T12:00:00Z", "2101-01-01T12:00:00Z"]


async def test_what_is_wrong_is_named(client: httpx.AsyncClient) -> None:
    response = await client.post("/schedules", json=NIGHTLY | {"cron": "nonsense"})
    assert response.status_code == 400
    assert response.json()["error"].startswith("cron: must have five fields")  # of the body, which is the schedule
