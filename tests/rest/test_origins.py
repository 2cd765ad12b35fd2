"""A web page may not write by its visitor's browser, and whoever is no browser writes as ever."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

JOB_ID = "01900000-0000-7000-8000-000000000001"
BODY = '{"queue": "high", "kind": "send_email"}'


@pytest.mark.parametrize("media_type", ["", "application/json", "application/x-www-form-urlencoded", "text/plain"])
async def test_a_caller_that_is_no_browser_writes_with_any_media_type(
    client: httpx.AsyncClient, media_type: str
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    response = await client.post("/api/v1/jobs", content=BODY, headers=headers)

    assert response.status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://edge"},
        {"Origin": "http://EDGE", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://edge", "Host": "edge:443"},
        {"Origin": "http://localhost:8080", "Host": "localhost:8080"},
        {"Origin": "http://[::1]:8080", "Host": "[::1]:8080"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_a_page_of_the_servers_own_writes(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await client.post("/api/v1/jobs", content=BODY, headers=headers)

    assert response.status_code == 201


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"Origin": "http://evil.example"}, "http://evil.example"),
        ({"Origin": "http://edge:81"}, "http://edge:81"),
        ({"Origin": "http://edge", "Host": "edge:443"}, "http://edge"),
        ({"Origin": "http://edge.evil.example"}, "http://edge.evil.example"),
        ({"Origin": "null"}, "null"),
        ({"Origin": "http://"}, "http://"),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, "http://evil.example"),
        ({"Origin": "http://edge", "Sec-Fetch-Site": "cross-site"}, "cross-site"),
        ({"Sec-Fetch-Site": "cross-site"}, "cross-site"),
        ({"Sec-Fetch-Site": "same-site"}, "same-site"),
        ({"Sec-Fetch-Site": "unheard-of"}, "unheard-of"),
    ],
)
async def test_a_page_of_another_origin_is_refused(
    client: httpx.AsyncClient, jobs: Any, headers: dict[str, str], named: str
) -> None:
    response = await client.post("/api/v1/jobs", content=BODY, headers={"Content-Type": "text/plain", **headers})

    message = f"a web page of another origin ({named}) may not write here"
    assert response.status_code == 403
    assert response.json() == {
        "error": message,
        "code": 7,
        "status": "PERMISSION_DENIED",
        "message": message,
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "CROSS_ORIGIN",
                "domain": "gosynq",
                "metadata": {"origin": named},
            }
        ],
    }
    assert jobs.seen == []


@pytest.mark.parametrize(
    ("method", "path"), [("POST", f"/api/v1/jobs/{JOB_ID}:cancel"), ("DELETE", f"/api/v1/jobs/{JOB_ID}")]
)
async def test_every_write_is_guarded(client: httpx.AsyncClient, method: str, path: str) -> None:
    response = await client.request(method, path, headers={"Origin": "http://evil.example"})

    assert response.status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_read_is_answered_whoever_asks(client: httpx.AsyncClient, method: str) -> None:
    headers = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    response = await client.request(method, f"/api/v1/jobs/{JOB_ID}", headers=headers)

    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


async def test_the_document_says_who_may_write(client: httpx.AsyncClient) -> None:
    description = (await client.get("/openapi.json")).json()["info"]["description"]

    assert "403, CROSS_ORIGIN" in description
